/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The uevent of a new id is told from all others, and only the kernel's word is taken
 * for it.
 */
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include "../src/lib.h"
#include "test.h"

#define DEVICE "change@/devices/LNXSYSTM:00/QEMUVGID:00\0ACTION=change\0" \
	       "DEVPATH=/devices/LNXSYSTM:00/QEMUVGID:00\0SUBSYSTEM=acpi\0"
#define EVENT(fields) { DEVICE fields, sizeof(DEVICE fields) }

static const struct { const char *message; size_t size; } good[] = {
	EVENT("NEW_VMGENID=1\0SEQNUM=1"),
	EVENT("NEW_VMGENID=1\0MODALIAS=acpi:QEMUVGID:VMGENCTR:\0SEQNUM=1234"),
	EVENT("SEQNUM=77\0NEW_VMGENID=1"),
	EVENT("NEW_VMGENID=1\0VMGENCTR_GENERATION=3\0SEQNUM=1844674407370955160"),
	EVENT("\0\0NEW_VMGENID=1\0\0SEQNUM=5"),
};

static const uint64_t numbers[] = { 1, 1234, 77, UINT64_C(1844674407370955160), 5 };

static const struct { const char *message; size_t size; } bad[] = {
	{ "", 0 },
	{ "", 1 },
	{ "change@/", 8 },
	{ "change@/", 9 },
	EVENT("SEQNUM=1"),
	EVENT("NEW_VMGENID=1"),
	EVENT("NEW_VMGENID=0\0SEQNUM=1"),
	EVENT("NEW_VMGENID=10\0SEQNUM=1"),
	EVENT("NEW_VMGENID\0SEQNUM=1"),
	EVENT("XNEW_VMGENID=1\0SEQNUM=1"),
	EVENT("SYNTH_ARG_NEW_VMGENID=1\0SEQNUM=1"),
	EVENT("NAME=NEW_VMGENID=1\0SEQNUM=1"),
	EVENT("NEW_VMGENID=1\0SEQNUM="),
	EVENT("NEW_VMGENID=1\0SEQNUM=0"),
	EVENT("NEW_VMGENID=1\0SEQNUM=-1"),
	EVENT("NEW_VMGENID=1\0SEQNUM=1x"),
	EVENT("NEW_VMGENID=1\0SEQNUM=18446744073709551615"),
	EVENT("NEW_VMGENID=1\0SEQNUM=99999999999999999999999"),
	{ DEVICE "NEW_VMGENID=1\0SEQNUM=12", sizeof(DEVICE "NEW_VMGENID=1\0SEQNUM=12") - 1 },
	{ "add@/devices/x\0NEW_VMGENID=1\0SEQNUM=1",
	  sizeof("add@/devices/x\0NEW_VMGENID=1\0SEQNUM=1") },
	{ "libudev\0change@/devices/x\0NEW_VMGENID=1\0SEQNUM=1",
	  sizeof("libudev\0change@/devices/x\0NEW_VMGENID=1\0SEQNUM=1") },
};

/* From the heap and of the exact size, for the sanitizers' sake. */
static bool parse(const char *message, size_t size, uint64_t *seqnum)
{
	char *copy = malloc(size + !size);
	bool is;

	CHECK(copy);
	memcpy(copy, message, size);
	is = vmgen_uevent_parse(copy, size, seqnum);
	free(copy);
	return is;
}

static void messages(void)
{
	uint64_t seqnum;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		seqnum = 0;
		CHECK(parse(good[i].message, good[i].size, &seqnum));
		CHECK(seqnum == numbers[i]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fprintf(stderr, "bad message %zu\n", i);
		seqnum = 99;
		CHECK(!parse(bad[i].message, bad[i].size, &seqnum));
		CHECK(seqnum == 99);
	}
}

/* To one socket, or to the group of the kernel's own messages. */
static void send_to(int from, uint32_t port, uint32_t groups)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_pid = port,
				  .nl_groups = groups };

	CHECK(sendto(from, good[0].message, good[0].size, 0, (void *)&to, sizeof(to)) ==
	      (ssize_t)good[0].size);
}

static void arrives_and_is_ignored(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t seqnum = 99;

	CHECK(poll(&p, 1, 60000) == 1);
	CHECK(vmgen_uevent_receive(fd, &seqnum) == 0);
	CHECK(vmgen_uevent_receive(fd, &seqnum) == -EAGAIN);
	CHECK(seqnum == 99);
}

/* In a network namespace of its own a process has all that it takes to send one. */
static void from_a_process(void)
{
	struct sockaddr_nl self;
	socklen_t size = sizeof(self);
	int fd, liar;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && unshare(CLONE_NEWNET) < 0)
		skip("no namespaces here");
	fd = vmgen_backend_uevent.watch();
	CHECK(fd >= 0);
	CHECK(getsockname(fd, (void *)&self, &size) == 0);
	liar = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	CHECK(liar >= 0);
	send_to(liar, self.nl_pid, 0);
	arrives_and_is_ignored(fd);
	send_to(liar, 0, 1);
	arrives_and_is_ignored(fd);
	close(liar);
	close(fd);
}

/* What is no change of a device does not even get into the queue. */
static void other_messages_stay_out(void)
{
	static const char other[] = "add@/devices/x\0NEW_VMGENID=1\0SEQNUM=1";
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = vmgen_backend_uevent.watch(), from;
	uint64_t seqnum;

	from = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	CHECK(fd >= 0 && from >= 0);
	CHECK(sendto(from, other, sizeof(other), 0, (void *)&to, sizeof(to)) > 0);
	CHECK(vmgen_uevent_receive(fd, &seqnum) == -EAGAIN);
	send_to(from, 0, 1);
	arrives_and_is_ignored(fd);
	close(from);
	close(fd);
}

/* Nobody has read for long: that something was lost is told. */
static void a_full_queue_is_told(void)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = vmgen_backend_uevent.watch(), small = 1, from, i, r = 0;
	uint64_t seqnum;

	from = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	CHECK(fd >= 0 && from >= 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	for (i = 0; i < 100; i++)
		(void)!sendto(from, good[0].message, good[0].size, 0, (void *)&to, sizeof(to));
	for (i = 0; i < 100 && r >= 0; i++)
		r = vmgen_uevent_receive(fd, &seqnum);
	CHECK(r == -ENOBUFS);
	close(from);
	close(fd);
}

int main(void)
{
	messages();
	from_a_process();
	other_messages_stay_out();
	a_full_queue_is_told();
	return 0;
}
