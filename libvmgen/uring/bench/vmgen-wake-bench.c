/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * How long does it take from the first instruction of a restored machine to that of
 * who waits?  One thread looks at the generation page all the time, on a CPU of its
 * own: the page changes before any CPU runs, so what it reads from the clock then is
 * the beginning.  The other sleeps in the way that is asked for, until it is told.
 *
 * Nobody asks the kernel: that would make it look before it has been notified.
 *
 *	vmgen-wake-bench page|ready|poll|watch|io_uring|uevent|udev
 *
 * prints "waiting", and then after how many nanoseconds it was woken.  Two of the ways
 * are not to sleep: "ready" looks at the status page until the kernel is ready for the
 * new generation, and "page" shows how far the beginning is to be trusted.  It is alone,
 * and takes for the beginning the last reading of the clock before a port told that
 * this is another machine: a number that QEMU was given with -device isa-debugcon, and
 * that is no part of what is saved.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/vmgenctr.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <vmgen-uring.h>

#define NUMBER_PORT	0xe9

static vmgen_guard guard = VMGEN_GUARD_INIT;
static const vmgen_word *live;
static const struct vmgenctr_status_page *status;
static uint64_t seen;
static int64_t begin, ready;
static sem_t is_ready;

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

static void await_page(void)
{
	while (__atomic_load_n(live, __ATOMIC_ACQUIRE) == seen)
		;
}

static void *spin(void *arg)
{
	(void)arg;
	run_on(1);
	await_page();
	begin = now();
	return NULL;
}

static void *spin_until_ready(void *arg)
{
	spin(arg);
	while (__atomic_load_n(&status->ready_generation, __ATOMIC_ACQUIRE) == seen)
		;
	ready = now();
	sem_post(&is_ready);
	return NULL;
}

static void waiting(void)
{
	puts("waiting");
	fflush(stdout);
}

static int64_t by_page(void)
{
	unsigned char number;

	if (ioperm(NUMBER_PORT, 1, 1) < 0)
		die("ioperm", errno);
	number = inb(NUMBER_PORT);
	waiting();
	do
		begin = now();
	while (inb(NUMBER_PORT) == number);
	await_page();
	return now();
}

static int64_t by_ready(void)
{
	waiting();
	if (sem_wait(&is_ready) < 0)
		die("sem_wait", errno);
	return ready;
}

static int64_t by_poll(void)
{
	struct pollfd p = { .events = POLLIN };

	p.fd = open("/dev/vmgenctr", O_RDONLY | O_CLOEXEC);
	if (p.fd < 0)
		die("/dev/vmgenctr", errno);
	waiting();
	if (poll(&p, 1, -1) != 1)
		die("poll", errno);
	return now();
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
static int64_t by_watch(void)
{
	vmgen_watch *w = watch();

	waiting();
	if (vmgen_watch_wait(w, -1, NULL) != 1)
		die("vmgen_watch_wait", errno);
	return now();
}

static int64_t by_io_uring(void)
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
	return now();
}

/* Group 1 is the kernel's own, 2 is for what udevd has dealt with. */
static int64_t by_netlink(unsigned int groups)
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
	return now();
}

static int64_t by_uevent(void)
{
	return by_netlink(1);
}

static int64_t by_udev(void)
{
	return by_netlink(2);
}

static const struct {
	const char *name;
	int64_t (*wait)(void);
	void *(*beside)(void *);
} ways[] = {
	{ "page", by_page, NULL },
	{ "ready", by_ready, spin_until_ready },
	{ "poll", by_poll, spin },
	{ "watch", by_watch, spin },
	{ "io_uring", by_io_uring, spin },
	{ "uevent", by_uevent, spin },
	{ "udev", by_udev, spin },
};

static void map_status(void)
{
	long size = sysconf(_SC_PAGESIZE);
	int fd = open("/dev/vmgenctr", O_RDONLY | O_CLOEXEC);

	status = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, VMGENCTR_STATUS_PGOFF * size);
	if (status == MAP_FAILED)
		die("/dev/vmgenctr", errno);
	close(fd);
}

/* The pages and the clock are touched before: none is to fault in what is measured. */
static void look(void)
{
	int r = vmgen_open();

	if (r < 0)
		die("no counter", -r);
	vmgen_changed(&guard);
	live = vmgen_live_word(guard.epoch);
	seen = *live;
	map_status();
	if (status->ready_generation != seen || sem_init(&is_ready, 0, 0) < 0)
		die("the kernel is not ready", EAGAIN);
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
		die("page, ready, poll, watch, io_uring, uevent or udev", EINVAL);
	look();
	run_on(0);
	if (ways[i].beside && pthread_create(&spinner, NULL, ways[i].beside, NULL))
		die("no thread", EAGAIN);
	end = ways[i].wait();
	if (ways[i].beside)
		pthread_join(spinner, NULL);
	printf("woken after %lld\n", (long long)(end - begin));
	return 0;
}
