// SPDX-License-Identifier: GPL-2.0
/*
 * The uevent: once per generation, when the kernel is ready for it, and never
 * for anything else.
 */
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "../kselftest_harness.h"
#include "change.h"

#define CHANGE_TIMEOUT	300
#define SYSFS_UEVENT	"/sys/class/misc/vmgenctr/uevent"
#define FENCE		"12345678-1234-1234-1234-123456789abc"

struct uevent {
	char text[4096];
	ssize_t size;
};

/* A line of the event, or NULL. */
static const char *uevent_line(const struct uevent *event, const char *start)
{
	const char *line, *end = event->text + event->size;

	for (line = event->text; line < end; line += strlen(line) + 1)
		if (!strncmp(line, start, strlen(start)))
			return line;
	return NULL;
}

static bool uevent_receive(int fd, struct uevent *event, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (poll(&pfd, 1, timeout_ms) != 1)
		return false;
	event->size = recv(fd, event->text, sizeof(event->text) - 1, 0);
	if (event->size <= 0)
		return false;
	event->text[event->size] = '\0';
	return true;
}

/* Waits for an event with a line that starts so; false after half a minute. */
static bool uevent_await(int fd, struct uevent *event, const char *start)
{
	while (uevent_receive(fd, event, 30000))
		if (uevent_line(event, start))
			return true;
	return false;
}

/*
 * Uevents arrive in order.  One that is asked for comes after all that were sent
 * before; how many of those told of a generation?
 */
static int uevent_count(int fd)
{
	static const char fence[] = "change " FENCE;
	struct uevent event;
	int file, count = 0;
	ssize_t n;

	file = open(SYSFS_UEVENT, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return -errno;
	n = write(file, fence, sizeof(fence) - 1);
	close(file);
	if (n < 0)
		return -EIO;
	while (uevent_receive(fd, &event, 30000)) {
		if (uevent_line(&event, "SYNTH_UUID=" FENCE))
			return count;
		count += !!uevent_line(&event, "NEW_VMGENID=");
	}
	return -ETIMEDOUT;
}

static int uevent_open(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK,
				       .nl_groups = 1 };
	int fd;

	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC,
		    NETLINK_KOBJECT_UEVENT);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

FIXTURE(uevent)
{
	int socket;
	int fd;
	struct driver driver;
};

FIXTURE_SETUP(uevent)
{
	const char *missing;

	self->fd = device_open();
	if (self->fd < 0)
		SKIP(return, "%s: %s", VMGENCTR_DEVICE, strerror(errno));
	self->socket = uevent_open();
	if (self->socket < 0)
		SKIP(return, "no uevents from netlink: %s", strerror(errno));
	if (geteuid())
		SKIP(return, "needs root to send uevents");
	missing = driver_find(&self->driver);
	if (missing)
		SKIP(return, "%s", missing);
}

FIXTURE_TEARDOWN_PARENT(uevent)
{
	if (!driver_bound(&self->driver))
		EXPECT_EQ(0, driver_bind(&self->driver));
}

TEST_F(uevent, is_not_sent_when_the_driver_comes_and_goes)
{
	struct uevent event;

	ASSERT_EQ(0, driver_unbind(&self->driver));
	ASSERT_EQ(0, driver_bind(&self->driver));
	/* The node came and went; that is all there was to say. */
	ASSERT_TRUE(uevent_await(self->socket, &event, "remove@"));
	EXPECT_EQ(NULL, uevent_line(&event, "NEW_VMGENID="));
	EXPECT_EQ(0, uevent_count(self->socket));
}

TEST_F(uevent, is_not_sent_for_a_read)
{
	struct vmgenctr_info info;

	ASSERT_EQ(0, device_read(self->fd, &info));
	EXPECT_EQ(0, uevent_count(self->socket));
}

/* The handler runs later: unbinding waits for it. */
TEST_F(uevent, is_not_sent_for_a_notification_without_change)
{
	const char *missing = acpi_notify(&self->driver);

	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, driver_unbind(&self->driver));
	ASSERT_EQ(0, driver_bind(&self->driver));
	EXPECT_EQ(0, uevent_count(self->socket));
}

TEST_F_TIMEOUT(uevent, is_sent_once_when_the_kernel_is_ready, CHANGE_TIMEOUT)
{
	const struct vmgenctr_status_page *status;
	const char *missing;
	struct change change;
	struct uevent event;
	__u64 ready;
	char line[64];

	missing = change_init(&change);
	if (missing)
		SKIP(return, "%s", missing);
	status = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_STATUS_PGOFF);
	change_generation(&change);
	ASSERT_TRUE(uevent_await(self->socket, &event, "NEW_VMGENID="));
	ready = page_ready_generation(status);
	EXPECT_EQ(page_generation(change.page), ready);
	EXPECT_NE(NULL, uevent_line(&event, "ACTION=change"));
	EXPECT_NE(NULL, uevent_line(&event, "SUBSYSTEM=misc"));
	EXPECT_NE(NULL, uevent_line(&event, "DEVNAME=vmgenctr"));
	EXPECT_STREQ("NEW_VMGENID=1", uevent_line(&event, "NEW_VMGENID="));
	snprintf(line, sizeof(line), "VMGENCTR_GENERATION=%ju",
		 (uintmax_t)ready);
	EXPECT_STREQ(line, uevent_line(&event, "VMGENCTR_GENERATION=") ?: "");
	EXPECT_EQ(0, uevent_count(self->socket));
}

/* Nobody reads here: it is the notification that brings it. */
TEST_F_TIMEOUT(uevent, is_sent_when_the_firmware_notifies, CHANGE_TIMEOUT)
{
	struct change change;
	const char *missing = change_init(&change);
	struct uevent event;

	if (!missing)
		missing = change_notify(&change, &self->driver);
	if (missing)
		SKIP(return, "%s", missing);
	EXPECT_TRUE(uevent_await(self->socket, &event, "NEW_VMGENID="));
	EXPECT_EQ(0, uevent_count(self->socket));
}

/* With the same generation there is nothing to tell user space. */
TEST_F(uevent, is_not_sent_for_another_guid_alone)
{
	const char *missing;
	struct vmgenctr_info info;
	__u8 *guid;

	ASSERT_EQ(0, device_read(self->fd, &info));
	if (!info_by_hypervisor(&info))
		SKIP(return, "in software mode it is another generation");
	missing = guid_map(&guid);
	if (missing)
		SKIP(return, "%s", missing);
	guid_renew(guid);
	ASSERT_EQ(0, device_read(self->fd, &info));
	EXPECT_EQ(0, uevent_count(self->socket));
}

TEST_HARNESS_MAIN
