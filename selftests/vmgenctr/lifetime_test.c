// SPDX-License-Identifier: GPL-2.0
/*
 * The driver goes away, and comes back, under those who use it.  What they hold
 * stays valid and says that it is of no use any more.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "../kselftest_harness.h"
#include "change.h"

#define GONE		(POLLERR | POLLHUP)
#define LOOP_TIMEOUT	240
#define LOOP_ROUNDS	30

static int poll_for(int fd, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, timeout_ms) < 0 ? -errno : pfd.revents;
}

FIXTURE(device)
{
	struct driver driver;
	int fd;
	const struct vmgenctr_generation_page *page;
	const struct vmgenctr_status_page *status;
	struct vmgenctr_info before;
	bool by_hypervisor;
};

FIXTURE_SETUP(device)
{
	const char *missing;

	self->fd = device_open();
	if (self->fd < 0)
		SKIP(return, "%s: %s", VMGENCTR_DEVICE, strerror(errno));
	if (geteuid())
		SKIP(return, "needs root to unbind the driver");
	missing = driver_find(&self->driver);
	if (missing)
		SKIP(return, "%s", missing);
	self->page = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_GENERATION_PGOFF);
	self->status = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_STATUS_PGOFF);
	ASSERT_EQ(0, device_read(self->fd, &self->before));
	self->by_hypervisor = info_by_hypervisor(&self->before);
}

/* In the parent: whatever happened to the test, the next one has a device. */
FIXTURE_TEARDOWN_PARENT(device)
{
	if (!driver_bound(&self->driver))
		EXPECT_EQ(0, driver_bind(&self->driver));
}

TEST_F(device, that_is_gone_has_nothing_to_say)
{
	struct vmgenctr_info info;

	ASSERT_EQ(0, driver_unbind(&self->driver));
	EXPECT_EQ(-ENODEV, device_read(self->fd, &info));
	EXPECT_EQ(-1, pread(self->fd, &info, sizeof(info), 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(MAP_FAILED, device_map(self->fd, VMGENCTR_GENERATION_PGOFF));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(MAP_FAILED, device_map(self->fd, VMGENCTR_STATUS_PGOFF));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(GONE, poll_for(self->fd, 0));
	EXPECT_EQ(-1, device_open());
	EXPECT_EQ(ENOENT, errno);
}

TEST_F(device, that_goes_wakes_those_who_wait)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	pid_t poller, epoller;

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->fd, &event));
	poller = child_fork();
	if (!poller)
		_exit(poll_for(self->fd, -1) != GONE);
	epoller = child_fork();
	if (!epoller)
		_exit(epoll_wait(epoll, &event, 1, -1) != 1 ||
		      event.events != (EPOLLERR | EPOLLHUP));
	child_wait_asleep(poller);
	child_wait_asleep(epoller);
	ASSERT_EQ(0, driver_unbind(&self->driver));
	EXPECT_EQ(0, child_result(poller));
	EXPECT_EQ(0, child_result(epoller));
}

/* Whoever only looks at the pages has to learn it there. */
TEST_F(device, that_is_gone_has_taken_back_its_word)
{
	static const __u8 none[sizeof(self->status->instance_id)];
	__u64 expected = page_by_hypervisor(self->page) ?
			 self->before.generation : 0;

	ASSERT_EQ(0, driver_unbind(&self->driver));
	EXPECT_EQ(VMGENCTR_GENERATION_MAGIC, le32toh(self->page->magic));
	EXPECT_EQ(expected, page_generation(self->page));
	EXPECT_EQ(VMGENCTR_STATUS_MAGIC, self->status->magic);
	EXPECT_EQ(0, page_ready_generation(self->status));
	EXPECT_EQ(0, self->status->flags);
	EXPECT_EQ(0, memcmp(self->status->instance_id, none, sizeof(none)));
}

TEST_F(device, that_is_gone_leaves_its_pages_to_those_who_map_them)
{
	const struct vmgenctr_generation_page *page;
	const struct vmgenctr_status_page *status;
	pid_t pid;

	/* Not touched yet: the first fault comes when nothing else is left. */
	page = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_GENERATION_PGOFF);
	status = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_STATUS_PGOFF);
	close(self->fd);
	ASSERT_EQ(0, driver_unbind(&self->driver));
	ASSERT_EQ(0, driver_bind(&self->driver));
	EXPECT_EQ(VMGENCTR_GENERATION_MAGIC, le32toh(page->magic));
	EXPECT_EQ(VMGENCTR_STATUS_MAGIC, status->magic);
	EXPECT_EQ(0, page_ready_generation(status));
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(page_ready_generation(self->status) ||
		      page_ready_generation(status));
	EXPECT_EQ(0, child_result(pid));
	munmap((void *)page, page_size());
	munmap((void *)status, page_size());
	EXPECT_EQ(0, page_ready_generation(self->status));
}

TEST_F(device, that_is_back_is_another_one)
{
	struct vmgenctr_info info;

	ASSERT_EQ(0, driver_unbind(&self->driver));
	ASSERT_EQ(0, driver_bind(&self->driver));
	EXPECT_EQ(-ENODEV, device_read(self->fd, &info));
	EXPECT_EQ(GONE, poll_for(self->fd, 0));
	EXPECT_EQ(MAP_FAILED, device_map(self->fd, VMGENCTR_STATUS_PGOFF));
	EXPECT_EQ(0, page_ready_generation(self->status));
	if (!page_by_hypervisor(self->page))
		EXPECT_EQ(0, page_generation(self->page));
}

/* In software mode nobody has counted meanwhile: it could be another VM. */
TEST_F(device, that_is_back_does_not_count_anew)
{
	struct vmgenctr_info last = self->before, next;
	int fd, i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, driver_unbind(&self->driver));
		ASSERT_EQ(0, driver_bind(&self->driver));
		fd = device_open();
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, poll_for(fd, 0));
		ASSERT_EQ(0, device_read(fd, &next));
		close(fd);
		EXPECT_EQ(self->by_hypervisor,
			  last.generation == next.generation);
		EXPECT_LE(last.generation, next.generation);
		EXPECT_EQ(self->by_hypervisor,
			  !memcmp(last.instance_id, next.instance_id,
				  sizeof(last.instance_id)));
		last = next;
	}
}

/* The firmware does not know who is bound, and notifies all the same. */
TEST_F(device, that_is_gone_is_not_notified)
{
	const char *missing = acpi_notify(&self->driver);
	struct vmgenctr_info info;
	__u8 *guid;
	int fd;

	if (!missing)
		missing = guid_map(&guid);
	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, driver_unbind(&self->driver));
	guid_renew(guid);
	EXPECT_EQ(NULL, acpi_notify(&self->driver));
	EXPECT_EQ(-ENODEV, device_read(self->fd, &info));
	ASSERT_EQ(0, driver_bind(&self->driver));
	fd = device_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, device_read(fd, &info));
	EXPECT_NE(0, memcmp(info.instance_id, self->before.instance_id,
			    sizeof(info.instance_id)));
	close(fd);
}

/*
 * Loops.  Each of these uses the device in one way until stop is set, and
 * returns what should not have happened.
 */
struct loop {
	bool *stop;
	const struct driver *driver;
	__u8 *guid;
	int fd;
};

static bool stopped(const struct loop *loop)
{
	return __atomic_load_n(loop->stop, __ATOMIC_RELAXED);
}

/* An open() may come too late, but only say so in these ways. */
static int open_some(const char **error)
{
	int fd = device_open();

	*error = fd >= 0 || errno == ENOENT || errno == ENODEV ? NULL :
		 "open fails in an unexpected way";
	return fd;
}

static const char *read_in_loop(const struct loop *loop)
{
	__u64 newest = 0;
	struct vmgenctr_info info;
	const char *error = NULL;
	int fd, ret;

	while (!error && !stopped(loop)) {
		fd = open_some(&error);
		if (fd < 0)
			continue;
		ret = device_read(fd, &info);
		close(fd);
		if (ret && ret != -ENODEV)
			error = "read fails in an unexpected way";
		else if (!ret && info.generation < newest)
			error = "read returns an old generation";
		else if (!ret)
			newest = info.generation;
	}
	return error;
}

static const char *poll_in_loop(const struct loop *loop)
{
	const char *error = NULL;
	struct vmgenctr_info info;
	int fd, events;

	while (!error && !stopped(loop)) {
		fd = open_some(&error);
		if (fd < 0)
			continue;
		do {
			events = poll_for(fd, 10);
			if (events & ~(POLLIN | GONE))
				error = "poll returns unexpected events";
			if (events == POLLIN)
				device_read(fd, &info);
		} while (!error && !stopped(loop) && events != GONE);
		close(fd);
	}
	return error;
}

static const char *check_page(void *page, __u32 magic)
{
	/* Both kinds of page start with their magic number. */
	bool good = le32toh(*(__u32 *)page) == magic;

	munmap(page, page_size());
	return good ? NULL : "a page is something else";
}

/* Takes the file, and closes it before the pages are looked at. */
static const char *look_at_pages(int fd)
{
	void *page = device_map(fd, VMGENCTR_GENERATION_PGOFF);
	void *status = device_map(fd, VMGENCTR_STATUS_PGOFF);
	const char *error = NULL;

	if (page == MAP_FAILED || status == MAP_FAILED)
		error = errno == ENODEV ? NULL : "mmap fails unexpectedly";
	close(fd);
	if (page != MAP_FAILED)
		error = check_page(page, VMGENCTR_GENERATION_MAGIC) ?: error;
	if (status != MAP_FAILED)
		error = check_page(status, VMGENCTR_STATUS_MAGIC) ?: error;
	return error;
}

static const char *map_in_loop(const struct loop *loop)
{
	const char *error = NULL;
	int fd;

	while (!error && !stopped(loop)) {
		fd = open_some(&error);
		if (fd >= 0)
			error = look_at_pages(fd);
	}
	return error;
}

static const char *fork_in_loop(const struct loop *loop)
{
	const char *error = NULL;
	pid_t pid;
	int fd;

	while (!error && !stopped(loop)) {
		fd = open_some(&error);
		if (fd < 0)
			continue;
		pid = child_fork();
		if (!pid)
			_exit(look_at_pages(fd) ? 1 : 0);
		close(fd);
		if (child_result(pid))
			error = "a child could not look at the pages";
	}
	return error;
}

static const char *notify_in_loop(const struct loop *loop)
{
	const char *error = NULL;

	while (!error && !stopped(loop)) {
		guid_renew(loop->guid);
		error = acpi_notify(loop->driver);
	}
	return error;
}

/* All on one file, of which the device is gone after the first round. */
static const char *share_in_loop(const struct loop *loop)
{
	struct vmgenctr_info info;
	const char *error = NULL;
	int ret, events;

	while (!error && !stopped(loop)) {
		ret = device_read(loop->fd, &info);
		events = poll_for(loop->fd, 1);
		if (ret && ret != -ENODEV)
			error = "read fails in an unexpected way";
		else if (ret && events != GONE)
			error = "poll does not know that the device is gone";
		else
			error = look_at_pages(dup(loop->fd));
	}
	return error;
}

typedef const char *(*loop_fn)(const struct loop *loop);

static bool *shared_flag(void)
{
	return mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* A process that says what went wrong, and exits with 1 then. */
static pid_t start_process(loop_fn fn, const struct loop *loop)
{
	const char *error;
	pid_t pid = child_fork();

	if (pid)
		return pid;
	error = fn(loop);
	if (error)
		fprintf(stderr, "# %s\n", error);
	_exit(error ? 1 : 0);
}

static void rebind_in_loop(struct __test_metadata *_metadata,
			   const struct driver *driver)
{
	unsigned int i, n = rounds(LOOP_ROUNDS);
	int fd;

	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, driver_unbind(driver));
		EXPECT_EQ(-1, device_open());
		ASSERT_EQ(0, driver_bind(driver));
		fd = device_open();
		ASSERT_LE(0, fd);
		close(fd);
	}
}

TEST_F_TIMEOUT(device, comes_and_goes_under_many_processes, LOOP_TIMEOUT)
{
	static const loop_fn loops[] = {
		read_in_loop, poll_in_loop, map_in_loop, fork_in_loop,
		read_in_loop,
	};
	struct loop loop = { .stop = shared_flag() };
	pid_t pids[ARRAY_SIZE(loops)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(loops); i++)
		pids[i] = start_process(loops[i], &loop);
	rebind_in_loop(_metadata, &self->driver);
	*loop.stop = true;
	for (i = 0; i < ARRAY_SIZE(loops); i++)
		EXPECT_EQ(0, child_result(pids[i])) TH_LOG("process %zu", i);
}

TEST_F_TIMEOUT(device, comes_and_goes_under_notifications, LOOP_TIMEOUT)
{
	struct loop loop = { .stop = shared_flag(), .driver = &self->driver };
	const char *missing = acpi_notify(&self->driver);
	pid_t notifier, reader, poller;

	if (!missing)
		missing = guid_map(&loop.guid);
	if (missing)
		SKIP(return, "%s", missing);
	notifier = start_process(notify_in_loop, &loop);
	reader = start_process(read_in_loop, &loop);
	poller = start_process(poll_in_loop, &loop);
	rebind_in_loop(_metadata, &self->driver);
	*loop.stop = true;
	EXPECT_EQ(0, child_result(notifier));
	EXPECT_EQ(0, child_result(reader));
	EXPECT_EQ(0, child_result(poller));
}

static void *share_thread(void *loop)
{
	return (void *)share_in_loop(loop);
}

TEST_F_TIMEOUT(device, comes_and_goes_under_threads_of_one_file, LOOP_TIMEOUT)
{
	struct loop loop = { .stop = shared_flag(), .fd = self->fd };
	pthread_t threads[4];
	void *error;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(threads); i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, share_thread,
					    &loop));
	rebind_in_loop(_metadata, &self->driver);
	*loop.stop = true;
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &error));
		EXPECT_EQ(NULL, error) TH_LOG("%s", (char *)error);
	}
}

TEST_HARNESS_MAIN
