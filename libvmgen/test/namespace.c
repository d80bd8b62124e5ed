/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A child that is process 1 of a namespace of its own is a child: what tells it from
 * its parent, and from its own children, who may be process 1 again, is no number.
 */
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "test.h"

static vmgen_guard g = VMGEN_GUARD_INIT;

static pid_t in_a_new_namespace(uint64_t flags)
{
	struct clone_args args = {
		.flags = CLONE_NEWPID | flags, .exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	CHECK(pid != 0 || getpid() == 1);
	return pid;
}

static void is_told_once(void)
{
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_reason(&g) == VMGEN_REASON_FORK);
	CHECK(!vmgen_changed(&g));
}

int main(void)
{
	struct vmgen_info info;
	pid_t pid;

	counter(0);
	CHECK(vmgen_sync(&info) == 0);
	if (!(info.flags & VMGEN_INFO_FORK))
		skip("no MADV_WIPEONFORK here");
	CHECK(vmgen_changed(&g));
	/* Whoever has a user namespace of his own may make the others in it. */
	pid = in_a_new_namespace(CLONE_NEWUSER);
	if (pid < 0)
		skip("this user may make no namespace of processes");
	if (pid == 0) {
		is_told_once();
		pid = in_a_new_namespace(0);
		if (pid == 0) {
			is_told_once();
			_exit(0);
		}
		reap(pid);
		CHECK(!vmgen_changed(&g));
		_exit(0);
	}
	reap(pid);
	CHECK(!vmgen_changed(&g));
	return 0;
}
