/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The device goes and comes back under a watch.  That is told once each, by the same
 * descriptor, and no descriptor is lost.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "watch.h"

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	CHECK(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int runs;

static void count(void *ctx, const struct vmgen_info *now)
{
	(void)ctx;
	(void)now;
	runs++;
}

static void goes(vmgen_watch *w, int fd)
{
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == -ENODEV);
	CHECK(!readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == 0);
	CHECK(vmgen_watch_wait(w, 10, NULL) == 0);
	CHECK(runs == 0);
}

/* Nobody watched in between: that counts as a change, as it does for guards. */
static void comes_back(vmgen_watch *w, int fd)
{
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == 1);
	CHECK(runs == 1);
	CHECK(!readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == 0);
	CHECK(runs == 1);
	runs = 0;
}

/* In somebody's event loop, which registers the descriptor once. */
static void goes_and_comes_back(unsigned int flags)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = watchable_counter(flags), epoll = epoll_create1(EPOLL_CLOEXEC), files, i;
	vmgen_watch *w = watch();
	int number = vmgen_watch_fd(w);

	CHECK(epoll >= 0);
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, number, &event) == 0);
	CHECK(vmgen_watch_add(w, 0, count, NULL) == 0);
	/* The library's own descriptor is the second of the two that it may have. */
	for (i = 0; i < 2; i++) {
		goes(w, fd);
		comes_back(w, fd);
	}
	files = open_files();
	for (i = 0; i < 20; i++) {
		goes(w, fd);
		CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
		comes_back(w, fd);
		CHECK(epoll_wait(epoll, &event, 1, 0) == 0);
		CHECK(vmgen_test_bump(fd) == 0 && vmgen_test_ready(fd) == 0);
		CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
		CHECK(vmgen_watch_dispatch(w, NULL) == 1);
		runs = 0;
	}
	CHECK(open_files() == files);
	CHECK(vmgen_watch_fd(w) == number);
	vmgen_watch_free(w);
	close(epoll);
	close(fd);
}

/* Away and back before anybody looked. */
static void unnoticed(void)
{
	int fd = watchable_counter(0);
	vmgen_watch *w = watch();

	CHECK(vmgen_watch_add(w, 0, count, NULL) == 0);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	comes_back(w, fd);
	vmgen_watch_free(w);
	close(fd);
}

/* What wakes a watch whose device is away is that it comes back, and nothing else. */
static void waits_for_it(void)
{
	int fd = watchable_counter(0);
	vmgen_watch *w = watch();
	pid_t pid;

	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_watch_wait(w, -1, NULL) == -ENODEV);
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_test_fault(fd, VMGEN_TEST_DENY) == 0);
		CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
		CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
		_exit(0);
	}
	CHECK(vmgen_watch_wait(w, -1, NULL) == 1);
	reap(pid);
	vmgen_watch_free(w);
	close(fd);
}

/* The watch does not fall silent because a process has run out of descriptors. */
static void out_of_descriptors(void)
{
	int fd = watchable_counter(0), lowest;
	struct rlimit limit, none;
	vmgen_watch *w = watch();

	lowest = dup(fd);
	CHECK(lowest >= 0 && close(lowest) == 0);
	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	none = limit;
	none.rlim_cur = (rlim_t)lowest;
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK(vmgen_watch_dispatch(w, NULL) == -EMFILE);
	CHECK(readable(w));
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(vmgen_watch_dispatch(w, NULL) == -ENODEV);
	CHECK(!readable(w));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	CHECK(vmgen_watch_dispatch(w, NULL) == -EMFILE);
	CHECK(readable(w));
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(vmgen_watch_dispatch(w, NULL) == 1);
	vmgen_watch_free(w);
	close(fd);
}

static void none_to_begin_with(void)
{
	int fd = vmgen_test_create(0), files;
	vmgen_watch *w = (void *)&w;

	CHECK(fd >= 0);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_test_install(fd) == 0);
	files = open_files();
	CHECK(vmgen_watch_new(&w) == -ENOENT);
	CHECK(w == (void *)&w);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_DENY) == 0);
	CHECK(vmgen_watch_new(&w) == -EACCES);
	CHECK(open_files() == files);
}

int main(void)
{
	goes_and_comes_back(0);
	goes_and_comes_back(VMGEN_TEST_SOFTWARE);
	unnoticed();
	waits_for_it();
	out_of_descriptors();
	none_to_begin_with();
	return 0;
}
