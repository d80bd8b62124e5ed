/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a process without a counter can rely on: that uevents reach it, which is said only
 * where the kernel sends them, and that it is told when some were lost, sealed or not.
 *
 * The driver is pretended, the messages are sent by the test.
 */
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "device-files.h"

#define INITIAL_USER_NS	0xEFFFFFFDu

static vmgen_guard g = VMGEN_GUARD_INIT;

/* The driver that is known to send them is there. */
int access(const char *path, int mode)
{
	return strncmp(path, "/sys/", 5) ? faccessat(AT_FDCWD, path, mode, 0) : 0;
}

static bool is_initial_user_ns(void)
{
	struct stat st;

	return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == INITIAL_USER_NS;
}

/* A small queue for the library's socket, which is the only one. */
static int shrink(void)
{
	int fd, type, small = 1, n = 0;
	socklen_t size = sizeof(type);

	for (fd = 3; fd < 64; fd++)
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
			n += setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0;
	return n;
}

/* Changes of other devices, more than the queue holds. */
static void overflow(void)
{
	static const char other[] = "change@/devices/x\0SEQNUM=1";
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int from = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT), i;

	CHECK(from >= 0);
	for (i = 0; i < 200; i++)
		(void)!sendto(from, other, sizeof(other), 0, (void *)&to, sizeof(to));
	close(from);
}

static void loss_is_told(bool sealed)
{
	enum vmgen_status before = vmgen_status();

	CHECK(shrink() == 1);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	if (sealed)
		CHECK(vmgen_seal() == 0);
	overflow();
	CHECK(vmgen_status() == before);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
}

/* Only one of those who share the socket is told by the kernel. */
static void loss_is_told_to_relatives(void)
{
	pid_t pid;

	CHECK(vmgen_changed(&g));
	CHECK(vmgen_status() == VMGEN_ABSENT || vmgen_status() == VMGEN_NOTIFY_ONLY);
	CHECK(shrink() == 1);
	overflow();
	pid = fork();
	if (pid == 0) {
		vmgen_status();
		_exit(0);
	}
	reap(pid);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
}

static void announced(void)
{
	CHECK(unshare(CLONE_NEWNET) == 0);
	CHECK(vmgen_status() == (is_initial_user_ns() ? VMGEN_NOTIFY_ONLY : VMGEN_ABSENT));
}

/* Its network is that of a user namespace that the kernel tells nothing. */
static void out_of_reach(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return;
	CHECK(vmgen_status() == VMGEN_ABSENT);
}

static void unsealed(void)
{
	CHECK(unshare(CLONE_NEWNET) == 0);
	loss_is_told(false);
}

static void sealed(void)
{
	CHECK(unshare(CLONE_NEWNET) == 0);
	loss_is_told(true);
}

static void relatives(void)
{
	CHECK(unshare(CLONE_NEWNET) == 0);
	loss_is_told_to_relatives();
}

int main(void)
{
	own_dev();
	if (access("/proc/self/ns/net", F_OK) < 0 || access("/proc/self/ns/user", F_OK) < 0)
		skip("no namespaces of networks and users");
	in_own_process(announced);
	in_own_process(out_of_reach);
	in_own_process(unsealed);
	in_own_process(sealed);
	in_own_process(relatives);
	return 0;
}
