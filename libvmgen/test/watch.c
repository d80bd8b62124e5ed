/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A watch becomes readable with a change and stays so until it is dispatched; each
 * watch tells each change once.
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>

#include "watch.h"

static void level_triggered(int fd)
{
	struct vmgen_info now;
	vmgen_watch *w = watch();

	CHECK(!readable(w));
	memset(&now, 0x5a, sizeof(now));
	CHECK(vmgen_watch_dispatch(w, &now) == 0);
	CHECK(now.generation == UINT64_C(0x5a5a5a5a5a5a5a5a));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(readable(w) && readable(w));
	CHECK(vmgen_watch_dispatch(w, &now) == 1);
	CHECK(now.generation == 2 && now.backend == VMGEN_BACKEND_TEST);
	CHECK(now.flags & VMGEN_INFO_CRNG_RESEEDED);
	CHECK(!readable(w));
	CHECK(vmgen_watch_dispatch(w, &now) == 0);
	/* Several restores are one change. */
	CHECK(vmgen_test_bump(fd) == 0 && vmgen_test_bump(fd) == 0);
	CHECK(vmgen_watch_dispatch(w, &now) == 1 && now.generation == 4);
	CHECK(!readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == 0);
	vmgen_watch_free(w);
}

static void what_it_tells_is_what_sync_tells(int fd)
{
	struct vmgen_info told, asked;
	vmgen_watch *w = watch();

	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_watch_dispatch(w, &told) == 1);
	CHECK(vmgen_sync(&asked) == 0);
	CHECK(memcmp(&told, &asked, sizeof(told)) == 0);
	vmgen_watch_free(w);
}

/* As after a live migration: the device has something to say, but nothing changed. */
static void spurious(int fd)
{
	vmgen_watch *w = watch();

	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == 0);
	CHECK(!readable(w));
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(vmgen_watch_wait(w, 0, NULL) == 0);
	CHECK(vmgen_watch_wait(w, 20, NULL) == 0);
	vmgen_watch_free(w);
}

static void watches_are_independent(int fd)
{
	vmgen_watch *a = watch(), *b = watch(), *late;

	CHECK(vmgen_test_bump(fd) == 0);
	late = watch();
	CHECK(readable(a) && readable(b) && !readable(late));
	CHECK(vmgen_watch_dispatch(a, NULL) == 1);
	CHECK(!readable(a) && readable(b));
	CHECK(vmgen_watch_dispatch(late, NULL) == 0);
	CHECK(vmgen_watch_dispatch(b, NULL) == 1);
	CHECK(vmgen_watch_fd(a) != vmgen_watch_fd(b));
	/* A guard is another reader, too. */
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_sync(NULL) == 0);
	CHECK(readable(a) && vmgen_watch_dispatch(a, NULL) == 1);
	CHECK(vmgen_watch_free(a) == NULL && vmgen_watch_free(NULL) == NULL);
	CHECK(vmgen_watch_dispatch(b, NULL) == 1);
	vmgen_watch_free(b);
	vmgen_watch_free(late);
}

static void in_an_event_loop(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	vmgen_watch *w = watch();
	int epoll = epoll_create1(EPOLL_CLOEXEC), i;

	CHECK(epoll >= 0);
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, vmgen_watch_fd(w), &event) == 0);
	CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
	for (i = 0; i < 3; i++) {
		CHECK(vmgen_test_bump(fd) == 0);
		CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
		CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
		CHECK(vmgen_watch_dispatch(w, NULL) == 1);
		CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
	}
	close(epoll);
	vmgen_watch_free(w);
}

static long milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void waits(int fd)
{
	struct vmgen_info now;
	vmgen_watch *w = watch();
	long start = milliseconds();
	pid_t pid;
	int i;

	CHECK(vmgen_watch_wait(w, 0, &now) == 0);
	CHECK(vmgen_watch_wait(w, 30, &now) == 0);
	CHECK(milliseconds() - start >= 30);
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_watch_wait(w, 0, &now) == 1);
	pid = fork();
	if (pid == 0) {
		for (i = 0; i < 20; i++)
			CHECK(vmgen_test_ready(fd) == 0);
		CHECK(vmgen_test_bump(fd) == 0);
		_exit(0);
	}
	start = (long)now.generation;
	CHECK(vmgen_watch_wait(w, -1, &now) == 1);
	CHECK(now.generation == (uint64_t)start + 1);
	reap(pid);
	CHECK(vmgen_watch_wait(w, 0, &now) == 0);
	vmgen_watch_free(w);
}

static void on_alarm(int signal)
{
	(void)signal;
}

/* The interval timer goes on, lest the first signal come before the wait. */
static void interrupted(void)
{
	struct itimerval often = { { 0, 10000 }, { 0, 10000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = on_alarm };
	vmgen_watch *w = watch();

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	CHECK(vmgen_watch_wait(w, -1, NULL) == -EINTR);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	vmgen_watch_free(w);
}

/* The hypervisor alone knows so far: the watch is not readable, but looks closely. */
static void software_mode(void)
{
	int fd = watchable_counter(VMGEN_TEST_SOFTWARE);
	struct vmgen_info now;
	vmgen_watch *w = watch();

	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(!readable(w));
	CHECK(vmgen_watch_wait(w, 0, &now) == 1 && now.generation == 2);
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(vmgen_watch_dispatch(w, NULL) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == 1);
	vmgen_watch_free(w);
	close(fd);
}

/* The other kinds of devices know nothing of readiness. */
static void other_device(unsigned int flags)
{
	int fd = watchable_counter(flags);
	struct vmgen_info now;
	vmgen_watch *w = watch();

	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(readable(w) && vmgen_watch_dispatch(w, NULL) == 0 && !readable(w));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(readable(w) && vmgen_watch_dispatch(w, &now) == 1 && !readable(w));
	CHECK(now.generation == 2 && !(now.flags & VMGEN_INFO_CRNG_RESEEDED));
	/* Any other number is a change. */
	CHECK(vmgen_test_set(fd, 0) == 0);
	CHECK(vmgen_watch_wait(w, -1, &now) == 1 && now.generation == 0);
	CHECK(vmgen_watch_dispatch(w, NULL) == 0);
	vmgen_watch_free(w);
	close(fd);
}

int main(void)
{
	int fd = watchable_counter(0);

	level_triggered(fd);
	what_it_tells_is_what_sync_tells(fd);
	spurious(fd);
	watches_are_independent(fd);
	in_an_event_loop(fd);
	waits(fd);
	interrupted();
	software_mode();
	other_device(VMGEN_TEST_VMCLOCK);
	other_device(VMGEN_TEST_SYSGENID);
	return 0;
}
