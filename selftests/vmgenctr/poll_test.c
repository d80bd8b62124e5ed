// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for a generation: level-triggered, per open file, and only read()
 * takes an event away.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "../kselftest_harness.h"
#include "change.h"

#define READABLE	(POLLIN | POLLRDNORM)
#define MS_QUIET	100	/* how long to look for what must not come */
#define MS_LATE		20000	/* how late a notification may come */
#define CHANGE_TIMEOUT	300	/* seconds: someone has to restore the guest */

#define TEST_CHANGE(name) TEST_F_TIMEOUT(poll, name, CHANGE_TIMEOUT)

static int poll_for(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = ~0 };

	return poll(&pfd, 1, timeout_ms) < 0 ? -errno : pfd.revents;
}

static int poll_now(int fd)
{
	return poll_for(fd, 0);
}

static int epoll_open(int fd, __u32 events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) {
		close(epoll);
		return -1;
	}
	return epoll;
}

/* Events that epoll reports, 0 for none. */
static int epoll_for(int epoll, int timeout_ms)
{
	struct epoll_event event;
	int n = epoll_wait(epoll, &event, 1, timeout_ms);

	return n < 0 ? -errno : n ? event.events : 0;
}

static int epoll_now(int epoll)
{
	return epoll_for(epoll, 0);
}

/* It only looks at a file that woke it, which comes after the generation. */
static int epoll_soon(int epoll)
{
	return epoll_for(epoll, MS_LATE);
}

FIXTURE(quiet)
{
	int fd;
};

FIXTURE_SETUP(quiet)
{
	self->fd = device_open();
	if (self->fd < 0)
		SKIP(return, "%s: %s", VMGENCTR_DEVICE, strerror(errno));
}

FIXTURE_TEARDOWN(quiet)
{
	close(self->fd);
}

TEST_F(quiet, file_has_no_event)
{
	struct vmgenctr_info info;

	EXPECT_EQ(0, poll_now(self->fd));
	EXPECT_EQ(0, poll_for(self->fd, MS_QUIET));
	ASSERT_EQ(0, device_read(self->fd, &info));
	EXPECT_EQ(0, poll_for(self->fd, MS_QUIET));
}

TEST_F(quiet, file_has_no_event_in_epoll)
{
	int level = epoll_open(self->fd, EPOLLIN);
	int edge = epoll_open(self->fd, EPOLLIN | EPOLLET);

	ASSERT_LE(0, level);
	ASSERT_LE(0, edge);
	EXPECT_EQ(0, epoll_now(level));
	EXPECT_EQ(0, epoll_now(edge));
}

TEST_F(quiet, file_gets_no_event_from_a_notification_without_change)
{
	struct driver driver;
	const char *missing = driver_find(&driver);

	if (!missing)
		missing = acpi_notify(&driver);
	if (missing)
		SKIP(return, "%s", missing);
	EXPECT_EQ(0, poll_for(self->fd, MS_QUIET));
}

FIXTURE(poll)
{
	int fd;
	struct change change;
	struct vmgenctr_info info;
};

FIXTURE_SETUP(poll)
{
	const char *missing;

	self->fd = device_open();
	if (self->fd < 0)
		SKIP(return, "%s: %s", VMGENCTR_DEVICE, strerror(errno));
	missing = change_init(&self->change);
	if (missing)
		SKIP(return, "%s", missing);
}

FIXTURE_TEARDOWN(poll)
{
	close(self->fd);
}

TEST_CHANGE(stays_ready_until_read)
{
	int i;

	change_generation(&self->change);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(READABLE, poll_now(self->fd));
	ASSERT_EQ(0, device_read(self->fd, &self->info));
	EXPECT_EQ(0, poll_now(self->fd));
	change_generation(&self->change);
	EXPECT_EQ(READABLE, poll_now(self->fd));
}

TEST_CHANGE(is_the_same_for_ppoll_and_select)
{
	struct pollfd pfd = { .fd = self->fd, .events = POLLIN };
	struct timespec now = {};
	struct timeval zero = {};
	sigset_t all;
	fd_set set;

	sigfillset(&all);
	change_generation(&self->change);
	EXPECT_EQ(1, ppoll(&pfd, 1, &now, &all));
	EXPECT_EQ(POLLIN, pfd.revents);
	FD_ZERO(&set);
	FD_SET(self->fd, &set);
	EXPECT_EQ(1, select(self->fd + 1, &set, NULL, NULL, &zero));
	ASSERT_EQ(0, device_read(self->fd, &self->info));
	EXPECT_EQ(0, ppoll(&pfd, 1, &now, &all));
	FD_SET(self->fd, &set);
	EXPECT_EQ(0, select(self->fd + 1, &set, NULL, NULL, &zero));
}

TEST_CHANGE(is_level_triggered_in_epoll)
{
	int epoll = epoll_open(self->fd, EPOLLIN);
	int i;

	ASSERT_LE(0, epoll);
	change_generation(&self->change);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(EPOLLIN, epoll_soon(epoll));
	ASSERT_EQ(0, device_read(self->fd, &self->info));
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_CHANGE(tells_edge_triggered_epoll_once_per_change)
{
	int epoll = epoll_open(self->fd, EPOLLIN | EPOLLET);

	ASSERT_LE(0, epoll);
	change_generation(&self->change);
	EXPECT_EQ(EPOLLIN, epoll_soon(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
	change_generation(&self->change);
	EXPECT_EQ(EPOLLIN, epoll_soon(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
	/* What epoll took away is still there for poll. */
	EXPECT_EQ(READABLE, poll_now(self->fd));
}

TEST_CHANGE(is_seen_by_an_epoll_that_comes_late)
{
	int level, edge;

	change_generation(&self->change);
	level = epoll_open(self->fd, EPOLLIN);
	ASSERT_LE(0, level);
	edge = epoll_open(self->fd, EPOLLIN | EPOLLET);
	ASSERT_LE(0, edge);
	EXPECT_EQ(EPOLLIN, epoll_now(level));
	EXPECT_EQ(EPOLLIN, epoll_now(edge));
	/* Neither adding to a set nor leaving it eats the event. */
	close(level);
	close(edge);
	EXPECT_EQ(READABLE, poll_now(self->fd));
	level = epoll_open(self->fd, EPOLLIN);
	ASSERT_LE(0, level);
	EXPECT_EQ(EPOLLIN, epoll_now(level));
}

TEST_CHANGE(rearms_a_oneshot_epoll)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
	int epoll = epoll_open(self->fd, event.events);

	ASSERT_LE(0, epoll);
	change_generation(&self->change);
	EXPECT_EQ(EPOLLIN, epoll_soon(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_MOD, self->fd, &event));
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
}

TEST_CHANGE(is_cleared_by_nothing_but_a_successful_read)
{
	void *inaccessible = mmap(NULL, page_size(), PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[8];

	change_generation(&self->change);
	EXPECT_EQ(-1, read(self->fd, buf, 0));
	EXPECT_EQ(READABLE, poll_now(self->fd));
	EXPECT_EQ(-1, read(self->fd, buf, sizeof(buf) - 1));
	EXPECT_EQ(READABLE, poll_now(self->fd));
	EXPECT_EQ(-1, read(self->fd, inaccessible, sizeof(self->info)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(READABLE, poll_now(self->fd));
	EXPECT_EQ(-1, read(self->fd, (void *)self->change.page, 8));
	EXPECT_EQ(READABLE, poll_now(self->fd));
	DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_GENERATION_PGOFF);
	DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_STATUS_PGOFF);
	EXPECT_EQ(READABLE, poll_now(self->fd));
	/* A short read has told the generation, and that is enough. */
	EXPECT_EQ(sizeof(buf), read(self->fd, buf, sizeof(buf)));
	EXPECT_EQ(0, poll_now(self->fd));
}

TEST_CHANGE(stays_ready_after_a_read_that_faults_halfway)
{
	char *pages = mmap(NULL, 2 * page_size(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *end = pages + page_size();

	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(end, page_size()));
	change_generation(&self->change);
	EXPECT_EQ(-1, read(self->fd, end - 16, sizeof(self->info)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(READABLE, poll_now(self->fd));
}

TEST_CHANGE(is_separate_for_every_open_file)
{
	int other = device_open();
	int newer;

	ASSERT_LE(0, other);
	change_generation(&self->change);
	newer = device_open();
	ASSERT_LE(0, newer);
	EXPECT_EQ(READABLE, poll_now(self->fd));
	EXPECT_EQ(READABLE, poll_now(other));
	EXPECT_EQ(0, poll_now(newer)) TH_LOG("a new file has seen it");
	ASSERT_EQ(0, device_read(self->fd, &self->info));
	EXPECT_EQ(0, poll_now(self->fd));
	EXPECT_EQ(READABLE, poll_now(other));
	ASSERT_EQ(0, device_read(other, &self->info));
	EXPECT_EQ(0, poll_now(other));
}

TEST_CHANGE(is_shared_by_dup_and_fork)
{
	int copy = dup(self->fd);
	pid_t pid;

	ASSERT_LE(0, copy);
	change_generation(&self->change);
	EXPECT_EQ(READABLE, poll_now(copy));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(poll_now(self->fd) != READABLE ||
		      device_read(self->fd, &self->info) ||
		      poll_now(self->fd));
	EXPECT_EQ(0, child_result(pid));
	EXPECT_EQ(0, poll_now(self->fd));
	EXPECT_EQ(0, poll_now(copy));
}

static int wait_in_poll(int fd)
{
	return poll_for(fd, -1) == READABLE ? 0 : 1;
}

static int wait_in_epoll(int fd)
{
	int epoll = epoll_open(fd, EPOLLIN | EPOLLET);
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, -1) == 1 &&
	       event.events == EPOLLIN ? 0 : 1;
}

static void start_waiters(int fd, pid_t pids[2])
{
	pids[0] = child_fork();
	if (!pids[0])
		_exit(wait_in_poll(fd));
	pids[1] = child_fork();
	if (!pids[1])
		_exit(wait_in_epoll(fd));
	child_wait_asleep(pids[0]);
	child_wait_asleep(pids[1]);
}

TEST_CHANGE(wakes_those_who_wait)
{
	pid_t pids[2];

	start_waiters(self->fd, pids);
	change_generation(&self->change);
	EXPECT_EQ(0, child_result(pids[0]));
	EXPECT_EQ(0, child_result(pids[1]));
}

/* Nobody reads here: it is the notification that wakes them. */
TEST_CHANGE(wakes_those_who_wait_when_the_firmware_notifies)
{
	struct driver driver;
	const char *missing = driver_find(&driver);
	pid_t pids[2];

	if (missing)
		SKIP(return, "%s", missing);
	start_waiters(self->fd, pids);
	missing = change_notify(&self->change, &driver);
	if (missing)
		SKIP(return, "%s", missing);
	EXPECT_EQ(0, child_result(pids[0]));
	EXPECT_EQ(0, child_result(pids[1]));
	EXPECT_EQ(READABLE, poll_now(self->fd));
}

TEST_HARNESS_MAIN
