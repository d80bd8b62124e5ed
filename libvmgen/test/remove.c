/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The driver is unbound and bound again, or the hypervisor takes the counter away and
 * brings it back, while guards are in use.  Until it is back nothing can be checked;
 * then everything is as before, and no descriptor is lost.
 */
#include <dirent.h>

#include "test.h"

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void unbind_and_bind(int fd, vmgen_guard *g)
{
	CHECK(!vmgen_changed(g));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_changed(g));
	CHECK(vmgen_changed(g));
	CHECK(vmgen_status() == VMGEN_ABSENT);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_changed(g));
	CHECK(!vmgen_changed(g));
	CHECK(vmgen_status() == VMGEN_ACTIVE);
}

/* Nobody looked while it was away: software mode counts that as a change. */
static void unseen(int fd, vmgen_guard *g, bool change)
{
	CHECK(!vmgen_changed(g));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_changed(g) == change);
}

static void in_a_loop(unsigned int flags)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	int fd = counter(flags), files, i;

	CHECK(vmgen_changed(&g));
	for (i = 0; i < 3; i++)
		unbind_and_bind(fd, &g);
	files = open_files();
	for (i = 0; i < 100; i++)
		unbind_and_bind(fd, &g);
	/* Fewer: what was replaced before is closed when that is replaced in turn. */
	CHECK(open_files() <= files);
	unseen(fd, &g, flags & VMGEN_TEST_SOFTWARE);
	close(fd);
}

int main(void)
{
	in_a_loop(0);
	in_a_loop(VMGEN_TEST_SOFTWARE);
	in_a_loop(VMGEN_TEST_VMCLOCK);
	return 0;
}
