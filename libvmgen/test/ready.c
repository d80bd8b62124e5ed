/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * When a change is reported, the kernel is ready for it.  The status page answers
 * that without a system call in hypervisor mode; in software mode, where the page
 * lags, only read() does.
 */
#include <sys/mman.h>

#include <linux/vmgenctr.h>

#include "test.h"

static vmgen_guard g = VMGEN_GUARD_INIT;
static const struct vmgenctr_status_page *status;

static void map_status(int fd)
{
	long page = sysconf(_SC_PAGESIZE);

	status = mmap(NULL, (size_t)page, PROT_READ, MAP_SHARED, fd, page);
	CHECK(status != MAP_FAILED);
}

static void hypervisor_mode(void)
{
	int fd = counter(0), reads;
	struct vmgen_info info;

	map_status(fd);
	CHECK(vmgen_changed(&g));
	reads = vmgen_test_reads(fd);

	/* The driver was faster: nothing to ask. */
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_test_reads(fd) == reads);

	/* The driver has not heard of it yet. */
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(status->ready_generation == 2);
	CHECK(vmgen_changed(&g));
	CHECK(status->ready_generation == 3);
	CHECK(vmgen_test_reads(fd) > reads);

	CHECK(vmgen_sync(&info) == 0);
	CHECK(info.generation == 3);
	CHECK(info.flags & VMGEN_INFO_HYPERVISOR);
	CHECK(info.flags & VMGEN_INFO_CRNG_RESEEDED);
	CHECK(!memcmp(info.instance_id, status->instance_id, 16));
}

static void software_mode(void)
{
	int fd = counter(VMGEN_TEST_SOFTWARE), reads;
	struct vmgen_info info;

	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));

	/* The page lags until the driver hears of it, or somebody asks. */
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(!vmgen_changed(&g));
	reads = vmgen_test_reads(fd);
	CHECK(vmgen_sync(&info) == 0);
	CHECK(vmgen_test_reads(fd) > reads);
	CHECK(info.generation == 2);
	CHECK(!(info.flags & VMGEN_INFO_HYPERVISOR));
	CHECK(vmgen_changed(&g));

	/* Told of one change, the library asks for the next. */
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_sync(&info) == 0);
	CHECK(info.generation == 4);
}

int main(void)
{
	hypervisor_mode();
	software_mode();
	return 0;
}
