/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The uevent that the vmgenid driver sends once the kernel has reseeded: that of
 * Linux 6.8, and that of the driver with /dev/vmgenctr.  It comes late, and only to
 * those who read it.
 *
 * Its live word is in memory that is shared with forked processes, as the socket is:
 * it holds the sequence number of the newest uevent that one of them has read.
 */
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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

/* Of our own driver it is known that it sends them; of others, when one has come. */
#define DRIVER		"/sys/class/misc/vmgenctr"

static const char *const drivers[] = {
	DRIVER, "/sys/bus/acpi/drivers/vmgenid", "/sys/bus/platform/drivers/vmgenid",
};

static bool heard;	/* one has come to this process */

/* In place of a page. */
struct shared {
	vmgen_word word;
	uint32_t heard;		/* one has come to a relative */
};

static struct shared *shared(const struct source *s)
{
	return (struct shared *)s->generation;
}

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

int vmgen_uevent_open(void)
{
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	int fd, on = 1, r;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return -errno;
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

/* Several may read one and the same uevent: the largest number counts, and once. */
static void word_raise(struct source *s, uint64_t seqnum)
{
	vmgen_word *word = &shared(s)->word;
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (old < seqnum)
		if (__atomic_compare_exchange_n(word, &old, seqnum, false,
						__ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return;
}

static void hear(struct source *s, uint64_t seqnum)
{
	__atomic_store_n(&shared(s)->heard, 1, __ATOMIC_RELAXED);
	word_raise(s, seqnum);
}

void vmgen_uevent_seen(uint64_t seqnum)
{
	struct source *s = vmgen_source_current();

	__atomic_store_n(&heard, true, __ATOMIC_RELAXED);
	if (s && s->ops == &vmgen_backend_uevent)
		hear(s, seqnum);
}

/*
 * A sealed process may only read(), which does not tell the sender.  A message to that
 * group takes privileges, and a wrong one costs no more than a reseed.
 */
static int receive_sealed(int fd, uint64_t *seqnum)
{
	char message[MESSAGE_MAX];
	ssize_t n = vmgen_sys_read(fd, message, sizeof(message));

	return n < 0 ? (int)n : vmgen_uevent_parse(message, (size_t)n, seqnum);
}

static int receive(int fd, uint64_t *seqnum)
{
	return vmgen_sealed() ? receive_sealed(fd, seqnum) :
	       vmgen_uevent_receive(fd, seqnum);
}

/*
 * Of a socket that has lost a message nobody knows what it lost, and only one of those
 * who share it is told.  The number is at most that of a message which has come before
 * the one that was lost.
 */
static void lose(struct source *s)
{
	word_raise(s, vmgen_source_word(s) + 1);
}

/* -EBADF: the socket is to be replaced, which a sealed process cannot do */
static int drain(struct source *s, int fd)
{
	uint64_t seqnum;
	int i, r;

	for (i = 0; i < DRAIN_MAX; i++) {
		r = receive(fd, &seqnum);
		if (r == -ENOBUFS)
			lose(s);
		if (r == -EAGAIN)
			return 0;
		if (r < 0 && !(r == -ENOBUFS && vmgen_sealed()))
			return -EBADF;
		if (r == 1) {
			__atomic_store_n(&heard, true, __ATOMIC_RELAXED);
			hear(s, seqnum);
		}
	}
	return 0;
}

static int uevent_open(void)
{
	size_t i;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (access(drivers[i], F_OK) == 0)
			return vmgen_uevent_open();
	return -ENOENT;
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

static int uevent_map(struct source *s, int fd)
{
	(void)fd;
	s->reached = is_reached();
	return vmgen_frame_map(s->generation, vmgen_page_size(), PROT_READ | PROT_WRITE,
			       -1, 0);
}

/* Does the kernel send them here?  Also true where a relative of this process has got one. */
static bool is_announced(struct source *s)
{
	if (!vmgen_sealed())
		__atomic_store_n(&s->announced, s->reached && access(DRIVER, F_OK) == 0,
				 __ATOMIC_RELAXED);
	return __atomic_load_n(&shared(s)->heard, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&heard, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&s->announced, __ATOMIC_RELAXED);
}

/* Never 0: there is nothing that could be checked. */
static int uevent_sync(struct source *s, struct reading *ret)
{
	int fd = vmgen_source_fd(s), r;

	r = fd < 0 ? fd : drain(s, fd);
	ret->word = vmgen_source_word(s);
	if (r < 0)
		return r;
	return is_announced(s) ? -ENODATA :
	       __atomic_load_n(&s->error, __ATOMIC_RELAXED);
}

/* Without a counter each uevent is a change, and so is it when some were lost. */
static int uevent_seen(int fd, struct vmgen_info *ret)
{
	uint64_t seqnum;
	int i, r = 0, change = 0;

	(void)ret;
	for (i = 0; i < DRAIN_MAX && r != -EAGAIN; i++) {
		r = vmgen_uevent_receive(fd, &seqnum);
		if (r == 1)
			vmgen_uevent_seen(seqnum);
		if (r < 0 && r != -EAGAIN && r != -ENOBUFS)
			return r;
		change |= r == 1 || r == -ENOBUFS;
	}
	return change;
}

const struct backend vmgen_backend_uevent = {
	.id = VMGEN_BACKEND_UEVENT,
	.blind = true,
	.reads = true,
	.open = uevent_open,
	.map = uevent_map,
	.sync = uevent_sync,
	.watch = vmgen_uevent_open,
	.seen = uevent_seen,
};
