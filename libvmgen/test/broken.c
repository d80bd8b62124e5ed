/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Nothing is believed of a page that makes no sense, nothing hangs on a writer that
 * never finishes, and everything works again when the page does.
 */
#include "test.h"

static vmgen_guard g = VMGEN_GUARD_INIT;

/* A page that says nothing: every check is a change, for want of knowing better. */
static void is_conservative(int fd, enum vmgen_test_fault fault, int error)
{
	vmgen_guard fresh = VMGEN_GUARD_INIT;

	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	(void)vmgen_changed(&g);
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_test_fault(fd, fault) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_changed(&fresh));
	CHECK(vmgen_changed(&fresh));
	CHECK(vmgen_sync(NULL) == error);
	CHECK(vmgen_status() == VMGEN_BROKEN);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_status() == VMGEN_ACTIVE);
}

/* The sequence counts stay odd: the kernel answers instead of the pages. */
static void torn_pages_are_bypassed(int fd)
{
	struct vmgen_info before, info;
	int reads;

	CHECK(vmgen_sync(&before) == 0);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_TEAR) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	reads = vmgen_test_reads(fd);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_test_reads(fd) > reads);
	CHECK(vmgen_sync(&info) == 0);
	CHECK(info.generation == before.generation + 1);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
}

/* Broken from the start. */
static void broken_when_opened(enum vmgen_test_fault fault)
{
	vmgen_guard fresh = VMGEN_GUARD_INIT;
	int fd = vmgen_test_create(0);

	CHECK(fd >= 0);
	CHECK(vmgen_test_fault(fd, fault) == 0);
	CHECK(vmgen_test_install(fd) == 0);
	CHECK(vmgen_status() == VMGEN_BROKEN);
	CHECK(vmgen_changed(&fresh));
	CHECK(vmgen_changed(&fresh));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_changed(&fresh));
	CHECK(!vmgen_changed(&fresh));
	close(fd);
}

int main(void)
{
	int fd = counter(0);

	torn_pages_are_bypassed(fd);
	is_conservative(fd, VMGEN_TEST_GARBAGE, -EBADMSG);
	is_conservative(fd, VMGEN_TEST_VERSION, -EBADMSG);
	is_conservative(fd, VMGEN_TEST_SHRINK, -EBADMSG);
	is_conservative(fd, VMGEN_TEST_SHORT, -EBADMSG);
	is_conservative(fd, VMGEN_TEST_WEDGE, -EIO);
	broken_when_opened(VMGEN_TEST_GARBAGE);
	broken_when_opened(VMGEN_TEST_VERSION);
	broken_when_opened(VMGEN_TEST_SHRINK);
	return 0;
}
