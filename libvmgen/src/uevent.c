/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The uevent that our vmgenid driver sends once the kernel has reseeded.  It comes late,
 * and only to those who read it: for watches, whose users do.  A guard that read it
 * would take each message that was lost in a queue which nobody empties for a change.
 */
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib.h"

#define KERNEL_GROUP	1	/* group 2 is udevd's */
/* The kernel's own limit; that of vmgenid is a tenth of it. */
#define MESSAGE_MAX	2048
/* So many in a row, and the rest the next time. */
#define DRAIN_MAX	1024
#define INITIAL_USER_NS	0xEFFFFFFDu	/* its inode, by the kernel's ABI */

/* The driver that is known to send them. */
#define DRIVER		"/sys/class/misc/vmgenctr"

/* Else every uevent of the machine waits in a queue that nobody may ever read. */
static int keep_changes(int fd)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x6368616e, 0, 3), /* "chan" */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x6765402f, 0, 1), /* "ge@/" */
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int uevent_open(void)
{
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	int fd, on = 1, r;

	fd = vmgen_sys_fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
				 NETLINK_KOBJECT_UEVENT));
	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0 &&
	    keep_changes(fd) == 0 &&
	    bind(fd, (struct sockaddr *)&group, sizeof(group)) == 0)
		return fd;
	r = -errno;
	vmgen_sys_close(fd);
	return r;
}

/* The kernel has neither a port nor a process; its user id depends on who looks. */
static bool from_kernel(struct msghdr *msg)
{
	const struct sockaddr_nl *from = msg->msg_name;
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	struct ucred cred;

	if (msg->msg_namelen != sizeof(*from) || from->nl_family != AF_NETLINK ||
	    from->nl_pid != 0 || from->nl_groups != KERNEL_GROUP)
		return false;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
	    c->cmsg_len != CMSG_LEN(sizeof(cred)))
		return false;
	memcpy(&cred, CMSG_DATA(c), sizeof(cred));
	return cred.pid == 0;
}

/* Decimal, and neither 0 nor so large that a record cannot hold it. */
static bool parse_number(const char *s, uint64_t *ret)
{
	uint64_t n = 0;

	for (; *s; s++) {
		if (*s < '0' || *s > '9' || n > (UINT64_MAX - 10) / 10)
			return false;
		n = n * 10 + (uint64_t)(*s - '0');
	}
	*ret = n;
	return n > 0;
}

/*
 * "change@/devices/...", then fields such as "SEQNUM=7", each ended by a zero byte.
 * Does it say that the machine has a new id?  Only then is *seqnum written.
 */
bool vmgen_uevent_parse(const char *message, size_t size, uint64_t *seqnum)
{
	const char *field, *end = message + size;
	bool change = false;
	uint64_t n = 0;

	if (!size || end[-1] || strncmp(message, "change@/", 8))
		return false;
	for (field = message; field < end; field += strlen(field) + 1) {
		if (!strcmp(field, "NEW_VMGENID=1"))
			change = true;
		else if (!strncmp(field, "SEQNUM=", 7) && !parse_number(field + 7, &n))
			return false;
	}
	if (!change || !n)
		return false;
	*seqnum = n;
	return true;
}

/*
 * 1: a new id, and *seqnum is written; 0: a message of no concern; -EAGAIN: there is
 * none; -ENOBUFS: some were lost
 */
int vmgen_uevent_receive(int fd, uint64_t *seqnum)
{
	union {
		char space[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr aligned;
	} control;
	char message[MESSAGE_MAX];
	struct iovec iov = { message, sizeof(message) };
	struct sockaddr_nl from;
	struct msghdr msg = {
		.msg_name = &from, .msg_namelen = sizeof(from),
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n = vmgen_sys_recvmsg(fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return (int)n;
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || !from_kernel(&msg))
		return 0;
	return vmgen_uevent_parse(message, (size_t)n, seqnum);
}

/* What has no owner that may be asked for has one further out, which says nothing. */
static bool is_initial(int namespace)
{
	int owner = ioctl(namespace, NS_GET_USERNS);
	struct stat st;
	bool is;

	if (owner < 0)
		return false;
	is = fstat(owner, &st) == 0 && st.st_ino == INITIAL_USER_NS;
	vmgen_sys_close(owner);
	return is;
}

/*
 * Since Linux 4.18 a uevent goes to those network namespaces only that the initial user
 * namespace owns.  A kernel without the one or the other has just these.
 */
static bool is_reached(void)
{
	int fd;
	bool is;

	if (access("/proc/self/ns/user", F_OK) < 0)
		return true;
	fd = vmgen_sys_open("/proc/self/ns/net");
	if (fd < 0)
		return fd == -ENOENT;
	is = is_initial(fd);
	vmgen_sys_close(fd);
	return is;
}

/* Does the kernel send them to where this process is? */
bool vmgen_uevent_announced(void)
{
	return access(DRIVER, F_OK) == 0 && is_reached();
}

/* Each uevent is a change, and so is it when some were lost. */
static int uevent_seen(int fd, struct vmgen_info *ret)
{
	uint64_t seqnum;
	int i, r = 0, change = 0;

	(void)ret;
	for (i = 0; i < DRAIN_MAX && r != -EAGAIN; i++) {
		r = vmgen_uevent_receive(fd, &seqnum);
		if (r < 0 && r != -EAGAIN && r != -ENOBUFS)
			return r;
		if (r == 1 || r == -ENOBUFS)
			vmgen_none_changed(r == 1 ? seqnum : 0);
		change |= r == 1 || r == -ENOBUFS;
	}
	return change;
}

const struct backend vmgen_backend_uevent = {
	.id = VMGEN_BACKEND_UEVENT,
	.watch = uevent_open,
	.seen = uevent_seen,
};
