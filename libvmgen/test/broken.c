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

/* Nothing has happened to the generation itself: from the first look on it is the same. */
static void is_told_to_all(int fd, enum vmgen_test_fault fault)
{
	vmgen_guard asleep = VMGEN_GUARD_INIT, fresh = VMGEN_GUARD_INIT;

	CHECK(vmgen_changed(&g));
	CHECK(vmgen_changed(&asleep));
	CHECK(vmgen_test_fault(fd, fault) == 0);
	CHECK(vmgen_changed(&fresh));
	CHECK(vmgen_changed(&fresh));
	CHECK(vmgen_changed(&g) && vmgen_changed(&g));
	CHECK(vmgen_changed(&asleep) && vmgen_changed(&asleep));
}

/* What is read where there is no hardware any more is nothing but ones. */
static void all_ones(unsigned int flags)
{
	vmgen_guard asleep = VMGEN_GUARD_INIT;
	int fd = counter(flags);

	CHECK(vmgen_changed(&g));
	CHECK(vmgen_changed(&asleep));
	CHECK(vmgen_test_set(fd, UINT64_MAX) == 0);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_GARBAGE) == 0);
	CHECK(vmgen_changed(&g) && vmgen_changed(&g));
	CHECK(vmgen_changed(&asleep) && vmgen_changed(&asleep));
	close(fd);
}

/* A clock whose host has no counter any more says so, and shows a number all the same. */
static void withdrawn(uint64_t generation)
{
	vmgen_guard fresh = VMGEN_GUARD_INIT;
	int fd = counter(VMGEN_TEST_VMCLOCK);

	CHECK(vmgen_test_set(fd, generation) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_status() == VMGEN_ABSENT);
	CHECK(vmgen_changed(&fresh) && vmgen_changed(&fresh));
	CHECK(vmgen_changed(&g) && vmgen_changed(&g));
	close(fd);
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
		if (!faults[i].when_opened)
			continue;
		broken_when_opened(faults[i].flags, faults[i].fault);
		if (faults[i].error != -EBADMSG)
			continue;
		fd = counter(faults[i].flags);
		is_told_to_all(fd, faults[i].fault);
		close(fd);
	}
	all_ones(0);
	all_ones(VMGEN_TEST_VMCLOCK);
	withdrawn(5);
	withdrawn(0);
	for (i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++)
		refused(impossible[i].flags, impossible[i].fault);
	return 0;
}
