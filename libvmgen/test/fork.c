/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A fork is a new epoch in the child and none in the parent, however the child was
 * made.
 */
#include <sched.h>
#include <sys/syscall.h>

#include "test.h"

static vmgen_guard g = VMGEN_GUARD_INIT;
static vmgen_guard other = VMGEN_GUARD_INIT;
static int reseeds;

static int reseed(void *ctx)
{
	(void)ctx;
	reseeds++;
	return 0;
}

static pid_t raw_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void once_per_guard_in_the_child(pid_t (*make)(void))
{
	pid_t pid = make();

	if (pid == 0) {
		CHECK(vmgen_changed(&g));
		CHECK(!vmgen_changed(&g));
		CHECK(vmgen_changed(&other));
		CHECK(!vmgen_changed(&other));
		_exit(0);
	}
	reap(pid);
	CHECK(!vmgen_changed(&g));
	CHECK(!vmgen_changed(&other));
}

static void between_begin_and_retry(void)
{
	vmgen_epoch e = vmgen_begin(&g, reseed, NULL);
	pid_t pid = fork();

	if (pid == 0) {
		reseeds = 0;
		CHECK(vmgen_retry(&g, e));
		e = vmgen_begin(&g, reseed, NULL);
		CHECK(reseeds == 1);
		CHECK(!vmgen_retry(&g, e));
		_exit(0);
	}
	CHECK(!vmgen_retry(&g, e));
	reap(pid);
}

/* More generations of processes than one frame has records. */
static void nested(int depth)
{
	pid_t pid;

	CHECK(!vmgen_changed(&g));
	if (!depth)
		return;
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_changed(&g));
		nested(depth - 1);
		_exit(0);
	}
	reap(pid);
}

/* The record is wiped to 0, and 0 is also what a device that has gone shows. */
static void while_the_device_is_gone(int fd)
{
	pid_t pid;

	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_changed(&g));
		_exit(0);
	}
	reap(pid);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
}

static void without_a_counter(int fd)
{
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_test_install(fd) == 0);
	CHECK(vmgen_changed(&g) && vmgen_changed(&other));
	CHECK(vmgen_status() == VMGEN_ABSENT);
	once_per_guard_in_the_child(fork);
	once_per_guard_in_the_child(raw_clone);
	nested(40);
}

int main(void)
{
	int fd = counter(0);
	struct vmgen_info info;

	CHECK(vmgen_sync(&info) == 0);
	if (!(info.flags & VMGEN_INFO_FORK))
		skip("no MADV_WIPEONFORK here");
	CHECK(vmgen_changed(&g) && vmgen_changed(&other));
	once_per_guard_in_the_child(fork);
	once_per_guard_in_the_child(raw_clone);
	between_begin_and_retry();
	nested(40);
	while_the_device_is_gone(fd);
	without_a_counter(fd);
	return 0;
}
