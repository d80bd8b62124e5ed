/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where the kernel cannot wipe memory on fork, or an emulator only says that it can, the
 * library does it: for fork() at once, for a raw clone() as soon as the child asks for the
 * status.  A filter plays the two.  Restores are seen as ever, and nobody in a child waits
 * for a thread of the parent.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test.h"

static int inside, go_on;

/* From now on, madvise() with advice that is not the first few ends with @error. */
static void refuse_advice(unsigned int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, MADV_WIPEONFORK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(77);
}

static int reseed_until_told(void *ctx)
{
	(void)ctx;
	if (__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST) > 1)
		return 0;
	while (!__atomic_load_n(&go_on, __ATOMIC_SEQ_CST))
		sched_yield();
	return 0;
}

static void *one_that_hangs(void *arg)
{
	CHECK(vmgen_once_begin(arg, reseed_until_told, NULL) != 0);
	return NULL;
}

static void nobody_waits_in_a_child(void)
{
	static vmgen_once once = VMGEN_ONCE_INIT;
	pthread_t thread;
	pid_t pid;

	CHECK(!pthread_create(&thread, NULL, one_that_hangs, &once));
	while (__atomic_load_n(&inside, __ATOMIC_SEQ_CST) < 1)
		sched_yield();
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_once_begin(&once, reseed_until_told, NULL) != 0);
		CHECK(inside == 2);
		_exit(0);
	}
	reap(pid);
	__atomic_store_n(&go_on, 1, __ATOMIC_SEQ_CST);
	CHECK(!pthread_join(thread, NULL));
}

static int reseed(void *ctx)
{
	(void)ctx;
	return 0;
}

static void fork_is_seen(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT, other = VMGEN_GUARD_INIT;
	vmgen_epoch e;
	pid_t pid;

	e = vmgen_begin(&other, reseed, NULL);
	CHECK(vmgen_changed(&g) && !vmgen_changed(&g));
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_retry(&other, e));
		CHECK(vmgen_changed(&g) && vmgen_reason(&g) == VMGEN_REASON_FORK);
		CHECK(!vmgen_changed(&g));
		pid = fork();
		if (pid == 0) {
			CHECK(vmgen_changed(&g) && vmgen_reason(&g) == VMGEN_REASON_FORK);
			_exit(0);
		}
		reap(pid);
		CHECK(!vmgen_changed(&g));
		_exit(0);
	}
	reap(pid);
	CHECK(!vmgen_changed(&g) && !vmgen_retry(&other, e));
}

/* No handler runs in this child. */
static void clone_is_seen_when_it_asks(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	pid_t pid;

	CHECK(vmgen_changed(&g));
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		CHECK(vmgen_status() == VMGEN_ACTIVE);
		CHECK(vmgen_changed(&g) && vmgen_reason(&g) == VMGEN_REASON_FORK);
		_exit(0);
	}
	reap(pid);
	CHECK(!vmgen_changed(&g));
}

static void without(unsigned int error)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	struct vmgen_info info;
	int fd;

	refuse_advice(error);
	fd = counter(0);
	CHECK(vmgen_sync(&info) == 0);
	CHECK(info.flags & VMGEN_INFO_FORK);
	CHECK(vmgen_changed(&g) && !vmgen_changed(&g));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_changed(&g) && vmgen_reason(&g) == VMGEN_REASON_RESTORE);
	fork_is_seen();
	clone_is_seen_when_it_asks();
	nobody_waits_in_a_child();
	_exit(0);
}

static void in_a_child(void (*run)(unsigned int error), unsigned int error,
		       const char *missing)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		run(error);
	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(missing);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The kernel that runs this has it, else the above would prove nothing. */
static void with(unsigned int error)
{
	struct vmgen_info info;

	(void)error;
	(void)counter(0);
	CHECK(vmgen_sync(&info) == 0);
	if (!(info.flags & VMGEN_INFO_FORK))
		_exit(77);
	_exit(0);
}

int main(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip("a sanitizer needs madvise() for itself");
#endif
	in_a_child(with, 0, "no MADV_WIPEONFORK here");
	in_a_child(without, EINVAL, "no seccomp filters here");
	in_a_child(without, 0, "no seccomp filters here");
	return 0;
}
