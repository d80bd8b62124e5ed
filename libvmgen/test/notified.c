/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a process without a counter can rely on.  That uevents reach it is said only where
 * the kernel sends them.  Guards open no socket for them; a watch does, and tells when
 * some were lost; then guards of that process see a change, and of no other.
 *
 * The driver is pretended, the messages are sent by the test.
 */
#include <linux/netlink.h>
#include <sys/socket.h>

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

/* A small queue for each socket of the library; how many are there? */
static int shrink(void)
{
	int fd, type, small = 1, n = 0;
	socklen_t size = sizeof(type);

	for (fd = 3; fd < 64; fd++)
		if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0)
			n += setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0;
	return n;
}

/* Changes of other devices, more than a queue holds. */
static void overflow(void)
{
	static const char other[] = "change@/devices/x\0SEQNUM=1";
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int from = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT), i;

	CHECK(from >= 0);
	for (i = 0; i < 400; i++)
		(void)!sendto(from, other, sizeof(other), 0, (void *)&to, sizeof(to));
	close(from);
}

static void guards_leave_uevents_alone(void)
{
	CHECK(vmgen_changed(&g));
	CHECK(shrink() == 0);
	overflow();
	CHECK(vmgen_status() == VMGEN_ABSENT || vmgen_status() == VMGEN_NOTIFY_ONLY);
	CHECK(vmgen_seal() == 0);
	CHECK(!vmgen_changed(&g));
	CHECK(shrink() == 0);
}

static void a_watch_tells_of_a_loss(void)
{
	vmgen_watch *w;
	pid_t pid;

	if (!is_initial_user_ns())
		return;
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_watch_new(&w) == 0);
	CHECK(vmgen_watch_dispatch(w, NULL) == 0);
	CHECK(!vmgen_changed(&g));
	CHECK(shrink() == 1);
	overflow();
	CHECK(!vmgen_changed(&g));
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_changed(&g) && vmgen_reason(&g) == VMGEN_REASON_FORK);
		CHECK(vmgen_watch_dispatch(w, NULL) == -ECHILD);
		_exit(0);
	}
	reap(pid);
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_watch_dispatch(w, NULL) == 1);
	CHECK(vmgen_changed(&g) && vmgen_reason(&g) == VMGEN_REASON_RESTORE);
	CHECK(!vmgen_changed(&g));
	vmgen_watch_free(w);
}

static void announced(void)
{
	CHECK(vmgen_status() == (is_initial_user_ns() ? VMGEN_NOTIFY_ONLY : VMGEN_ABSENT));
}

static void in_own_network(void (*test)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		CHECK(unshare(CLONE_NEWNET) == 0);
		test();
		_exit(0);
	}
	reap(pid);
}

/* Its network is that of a user namespace that the kernel tells nothing. */
static void out_of_reach(void)
{
	vmgen_watch *w;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return;
	CHECK(vmgen_status() == VMGEN_ABSENT);
	CHECK(vmgen_watch_new(&w) == -ENOENT);
}

int main(void)
{
	own_dev();
	if (access("/proc/self/ns/net", F_OK) < 0 || access("/proc/self/ns/user", F_OK) < 0)
		skip("no namespaces of networks and users");
	in_own_network(announced);
	in_own_process(out_of_reach);
	in_own_network(guards_leave_uevents_alone);
	in_own_network(a_watch_tells_of_a_loss);
	return 0;
}
