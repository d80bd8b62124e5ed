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
static void broken_when_opened(unsigned int flags, enum vmgen_test_fault fault)
{
	vmgen_guard fresh = VMGEN_GUARD_INIT;
	int fd = vmgen_test_create(flags);

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

/* What can break in which kind of counter, and what it is then. */
static const struct {
	unsigned int flags;
	enum vmgen_test_fault fault;
	int error;
	bool when_opened;
} faults[] = {
	{ 0, VMGEN_TEST_GARBAGE, -EBADMSG, true },
	{ 0, VMGEN_TEST_VERSION, -EBADMSG, true },
	{ 0, VMGEN_TEST_SHRINK, -EBADMSG, true },
	{ 0, VMGEN_TEST_SHORT, -EBADMSG, false },
	{ 0, VMGEN_TEST_WEDGE, -EIO, false },
	{ VMGEN_TEST_VMCLOCK, VMGEN_TEST_TEAR, -EIO, true },
	{ VMGEN_TEST_VMCLOCK, VMGEN_TEST_GARBAGE, -EBADMSG, true },
	{ VMGEN_TEST_VMCLOCK, VMGEN_TEST_VERSION, -EBADMSG, true },
	{ VMGEN_TEST_VMCLOCK, VMGEN_TEST_SHRINK, -EBADMSG, true },
	{ VMGEN_TEST_SYSGENID, VMGEN_TEST_GARBAGE, -EBADMSG, true },
};

/* A kind of counter that has no such part cannot lose it. */
static const struct {
	unsigned int flags;
	enum vmgen_test_fault fault;
} impossible[] = {
	{ VMGEN_TEST_VMCLOCK, VMGEN_TEST_WEDGE },
	{ VMGEN_TEST_VMCLOCK, VMGEN_TEST_SHORT },
	{ VMGEN_TEST_SYSGENID, VMGEN_TEST_TEAR },
	{ VMGEN_TEST_SYSGENID, VMGEN_TEST_WEDGE },
	{ VMGEN_TEST_SYSGENID, VMGEN_TEST_VERSION },
	{ VMGEN_TEST_SYSGENID, VMGEN_TEST_SHRINK },
	{ VMGEN_TEST_SYSGENID, VMGEN_TEST_SHORT },
};

static void refused(unsigned int flags, enum vmgen_test_fault fault)
{
	int fd = counter(flags);

	CHECK(vmgen_test_fault(fd, fault) == -EINVAL);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	close(fd);
}

int main(void)
{
	size_t i;
	int fd;

	torn_pages_are_bypassed(counter(0));
	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		fprintf(stderr, "fault %d of layout %u\n", (int)faults[i].fault,
			faults[i].flags);
		fd = counter(faults[i].flags);
		is_conservative(fd, faults[i].fault, faults[i].error);
		close(fd);
		if (faults[i].when_opened)
			broken_when_opened(faults[i].flags, faults[i].fault);
	}
	for (i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++)
		refused(impossible[i].flags, impossible[i].fault);
	return 0;
}
