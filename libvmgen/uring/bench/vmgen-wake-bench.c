/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * How long does it take from the first instruction of a restored machine to that of
 * who waits?  One thread looks at the generation page all the time, on a CPU of its
 * own: the page changes before any CPU runs, so what it reads from the clock then is
 * the beginning.  The other sleeps in the way that is asked for, until it is told.
 *
 * Nobody asks the kernel: that would make it look before it has been notified.
 *
 *	vmgen-wake-bench poll|watch|io_uring|uevent|udev
 *
 * prints "waiting", and then after how many nanoseconds it was woken.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <vmgen-uring.h>

static vmgen_guard guard = VMGEN_GUARD_INIT;
static const vmgen_word *live;
static uint64_t seen;
static int64_t begin;

static void die(const char *what, int error)
{
	fprintf(stderr, "vmgen-wake-bench: %s: %s\n", what, strerror(error));
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("two processors are needed", errno);
}

static void *spin(void *arg)
{
	(void)arg;
	run_on(1);
	while (__atomic_load_n(live, __ATOMIC_ACQUIRE) == seen)
		;
	begin = now();
	return NULL;
}

static void waiting(void)
{
	puts("waiting");
	fflush(stdout);
}

static void by_poll(void)
{
	struct pollfd p = { .events = POLLIN };

	p.fd = open("/dev/vmgenctr", O_RDONLY | O_CLOEXEC);
	if (p.fd < 0)
		die("/dev/vmgenctr", errno);
	waiting();
	if (poll(&p, 1, -1) != 1)
		die("poll", errno);
}

static vmgen_watch *watch(void)
{
	vmgen_watch *w;
	int r = vmgen_watch_new(&w);

	if (r < 0)
		die("no watch", -r);
	return w;
}

/* Also reads, hence returns when the kernel is ready. */
static void by_watch(void)
{
	vmgen_watch *w = watch();

	waiting();
	if (vmgen_watch_wait(w, -1, NULL) != 1)
		die("vmgen_watch_wait", errno);
}

static void by_io_uring(void)
{
	vmgen_watch *w = watch();
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int r = io_uring_queue_init(4, &ring, 0);

	if (r == 0)
		r = vmgen_uring_arm(&ring, w, NULL);
	if (r < 0 || io_uring_submit(&ring) != 1)
		die("io_uring", -r);
	waiting();
	r = io_uring_wait_cqe(&ring, &cqe);
	if (r < 0)
		die("io_uring", -r);
}

/* Group 1 is the kernel's own, 2 is for what udevd has dealt with. */
static void by_netlink(unsigned int groups)
{
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	char event[4096];
	ssize_t n;

	if (fd < 0 || bind(fd, (struct sockaddr *)&group, sizeof(group)) < 0)
		die("netlink", errno);
	waiting();
	do {
		n = recv(fd, event, sizeof(event), 0);
		if (n < 0)
			die("netlink", errno);
	} while (!memmem(event, (size_t)n, "NEW_VMGENID=1", sizeof("NEW_VMGENID=1")));
}

static void by_uevent(void)
{
	by_netlink(1);
}

static void by_udev(void)
{
	by_netlink(2);
}

static const struct {
	const char *name;
	void (*wait)(void);
} ways[] = {
	{ "poll", by_poll },
	{ "watch", by_watch },
	{ "io_uring", by_io_uring },
	{ "uevent", by_uevent },
	{ "udev", by_udev },
};

/* The page and the clock are touched before: neither is to fault in what is measured. */
static void look(void)
{
	int r = vmgen_open();

	if (r < 0)
		die("no counter", -r);
	vmgen_changed(&guard);
	live = vmgen_live_word(guard.epoch);
	seen = *live;
	now();
}

int main(int argc, char **argv)
{
	pthread_t spinner;
	int64_t end;
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (argc == 2 && !strcmp(argv[1], ways[i].name))
			break;
	if (i == sizeof(ways) / sizeof(ways[0]))
		die("poll, watch, io_uring, uevent or udev", EINVAL);
	look();
	run_on(0);
	if (pthread_create(&spinner, NULL, spin, NULL))
		die("no thread", EAGAIN);
	ways[i].wait();
	end = now();
	pthread_join(spinner, NULL);
	printf("woken after %lld\n", (long long)(end - begin));
	return 0;
}
