/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The child of a fork has the same open files: it is refused, and what it does to its
 * copy is nothing to the parent.  A watch of its own works.
 */
#include <sched.h>
#include <sys/syscall.h>

#include "watch.h"

static void ignore(void *ctx, const struct vmgen_info *now)
{
	(void)ctx;
	(void)now;
}

static void refused(vmgen_watch *w)
{
	CHECK(vmgen_watch_dispatch(w, NULL) == -ECHILD);
	CHECK(vmgen_watch_wait(w, -1, NULL) == -ECHILD);
	CHECK(vmgen_watch_add(w, 0, ignore, NULL) == -ECHILD);
	CHECK(vmgen_watch_remove(w, ignore, NULL) == -ECHILD);
}

static void child(vmgen_watch *w, int fd)
{
	vmgen_watch *own = watch();

	refused(w);
	CHECK(!readable(own));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_watch_dispatch(own, NULL) == 1);
	CHECK(vmgen_watch_dispatch(own, NULL) == 0);
	refused(w);
	vmgen_watch_free(w);
	vmgen_watch_free(own);
	_exit(0);
}

static void with(pid_t pid, vmgen_watch *w, int fd)
{
	if (pid == 0)
		child(w, fd);
	reap(pid);
	CHECK(readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == 1);
	CHECK(!readable(w));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_watch_dispatch(w, NULL) == 1);
}

/* Both are process 1, each in its namespace. */
static void child_of_one_number(int fd)
{
	vmgen_watch *w = watch();
	pid_t pid;

	CHECK(getpid() == 1);
	pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		CHECK(getpid() == 1);
	with(pid, w, fd);
	_exit(0);
}

/* Whoever has left its namespace of processes can make no more threads. */
static void of_one_number(int fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
			_exit(0);
		pid = fork();
		if (pid == 0)
			child_of_one_number(fd);
		reap(pid);
		_exit(0);
	}
	reap(pid);
}

int main(void)
{
	int fd = watchable_counter(0);
	vmgen_watch *w = watch();

	with(fork(), w, fd);
	with((pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL), w, fd);
	vmgen_watch_free(w);
	of_one_number(fd);
	return 0;
}
