/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A fork is a new epoch in the child and none in the parent, however the child was
 * made, and the child knows why.  Who shares the memory of its parent is no child.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "test.h"

static vmgen_guard g = VMGEN_GUARD_INIT;
static vmgen_guard other = VMGEN_GUARD_INIT;
static int reseeds, counter_fd;
static const char *program;

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
		CHECK(vmgen_reason(&g) == VMGEN_REASON_FORK);
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

/* Under valgrind or a thread sanitizer, vfork() is fork(). */
static bool has_vfork(void)
{
#ifdef __SANITIZE_THREAD__
	return false;
#endif
	return !getenv("WRAPPER") || !*getenv("WRAPPER");
}

/* Borrows the memory, which is still that of one process. */
static void vfork_is_no_fork(void)
{
	volatile bool changed = true;
	pid_t pid = vfork();

	if (pid == 0) {
		changed = vmgen_changed(&g);
		_exit(0);
	}
	reap(pid);
	CHECK(!changed && !vmgen_changed(&g));
}

/* Another program starts from nothing. */
static void exec_is_a_first_use(void)
{
	char arg[16];
	pid_t pid;

	snprintf(arg, sizeof(arg), "%d", counter_fd);
	CHECK(fcntl(counter_fd, F_SETFD, 0) == 0);
	pid = vfork();
	if (pid == 0) {
		execl(program, program, arg, (char *)NULL);
		_exit(1);
	}
	reap(pid);
	CHECK(!vmgen_changed(&g));
}

static void executed(int fd)
{
	CHECK(vmgen_test_install(fd) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_reason(&g) == VMGEN_REASON_FIRST);
	CHECK(!vmgen_changed(&g));
}

/* Each has its own guard, and children of its own, all at the same time. */
#define THREADS	8
#define FORKS	20
static pthread_barrier_t barrier;

static void *forker(void *arg)
{
	vmgen_guard own = VMGEN_GUARD_INIT;
	pid_t pids[FORKS];
	int i;

	(void)vmgen_changed(&own);
	pthread_barrier_wait(&barrier);
	for (i = 0; i < FORKS; i++) {
		CHECK(!vmgen_changed(&own));
		pids[i] = fork();
		if (pids[i] == 0) {
			CHECK(vmgen_changed(&own));
			CHECK(vmgen_reason(&own) == VMGEN_REASON_FORK);
			CHECK(!vmgen_changed(&own));
			_exit(0);
		}
	}
	for (i = 0; i < FORKS; i++)
		reap(pids[i]);
	CHECK(!vmgen_changed(&own));
	return arg;
}

static void threads_at_once(void)
{
	pthread_t threads[THREADS];
	int i;

	CHECK(!pthread_barrier_init(&barrier, NULL, THREADS));
	for (i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, forker, NULL));
	for (i = 0; i < THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
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

int main(int argc, char **argv)
{
	struct vmgen_info info;
	int fd;

	if (argc == 2) {
		executed(atoi(argv[1]));
		return 0;
	}
	program = argv[0];
	fd = counter_fd = counter(0);
	CHECK(vmgen_sync(&info) == 0);
	if (!(info.flags & VMGEN_INFO_FORK))
		skip("no MADV_WIPEONFORK here");
	CHECK(vmgen_changed(&g) && vmgen_changed(&other));
	once_per_guard_in_the_child(fork);
	once_per_guard_in_the_child(raw_clone);
	between_begin_and_retry();
	if (has_vfork())
		vfork_is_no_fork();
	exec_is_a_first_use();
	threads_at_once();
	nested(40);
	while_the_device_is_gone(fd);
	without_a_counter(fd);
	return 0;
}
