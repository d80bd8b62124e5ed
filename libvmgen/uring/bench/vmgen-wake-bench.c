/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * How long does it take from the first instruction of a restored machine to that of
 * who waits in it?
 *
 *	vmgen-wake-bench page|ready|poll|watch|io_uring|uevent|udev ...
 *
 * One thread for each way sleeps until it is told.  Another one, on a CPU of its own,
 * looks at a port until that tells that this is another machine: a number that QEMU was
 * given with -device isa-debugcon, and no part of what is saved.  The beginning is its
 * reading of the clock before the last look that did not tell so: one that came between
 * two looks may be of the restored machine already.  Then it looks at the generation
 * page, once, because that is to be new by then ("page"), and at the status page until
 * the kernel is ready for the new generation ("ready").
 *
 * Nobody asks the kernel: that would make it look before it has been notified.
 *
 * Prints "waiting", and then "woken", with NAME=NANOSECONDS for each way.
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
#define WAYS_MAX	8

static vmgen_guard guard = VMGEN_GUARD_INIT;
static const vmgen_word *live;
static const struct vmgenctr_status_page *status;
static uint64_t seen;
static int64_t begin;
static sem_t armed;

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

/* --- Waiting ------------------------------------------------------------------- */

static void waiting(void)
{
	sem_post(&armed);
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

static struct way {
	const char *name;
	void (*wait)(void);	/* NULL: the thread that looks knows when */
	int64_t woken;
	pthread_t thread;
} ways[] = {
	{ .name = "page" },
	{ .name = "ready" },
	{ .name = "poll", .wait = by_poll },
	{ .name = "watch", .wait = by_watch },
	{ .name = "io_uring", .wait = by_io_uring },
	{ .name = "uevent", .wait = by_uevent },
	{ .name = "udev", .wait = by_udev },
};

static void *wait_in(void *arg)
{
	struct way *way = arg;

	way->wait();
	way->woken = now();
	return NULL;
}

/* --- Looking ------------------------------------------------------------------- */

static void *look(void *arg)
{
	unsigned char number = inb(NUMBER_PORT);
	int64_t next = now();

	(void)arg;
	run_on(1);
	waiting();
	do {
		begin = next;
		next = now();
	} while (inb(NUMBER_PORT) == number);
	if (__atomic_load_n(live, __ATOMIC_ACQUIRE) == seen)
		die("the page of a restored machine", ESTALE);
	ways[0].woken = now();
	while (__atomic_load_n(&status->ready_generation, __ATOMIC_ACQUIRE) == seen)
		;
	ways[1].woken = now();
	return NULL;
}

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
static void prepare(void)
{
	int r = vmgen_open();

	if (r < 0)
		die("no counter", -r);
	vmgen_changed(&guard);
	live = vmgen_live_word(guard.epoch);
	seen = *live;
	map_status();
	if (status->ready_generation != seen)
		die("the kernel is not ready", EAGAIN);
	if (ioperm(NUMBER_PORT, 1, 1) < 0)
		die("ioperm", errno);
	sem_init(&armed, 0, 0);
	now();
}

/* --- All of it ------------------------------------------------------------------ */

static void start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	if (pthread_create(thread, NULL, run, arg))
		die("no thread", EAGAIN);
	while (sem_wait(&armed) < 0)
		;
}

static struct way *find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	die(name, EINVAL);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t looker;
	int i;

	if (argc < 2 || argc > WAYS_MAX)
		die("page, ready, poll, watch, io_uring, uevent or udev", EINVAL);
	prepare();
	run_on(0);
	for (i = 1; i < argc; i++)
		if (find(argv[i])->wait)
			start(&find(argv[i])->thread, wait_in, find(argv[i]));
	start(&looker, look, NULL);
	puts("waiting");
	fflush(stdout);
	pthread_join(looker, NULL);
	printf("woken");
	for (i = 1; i < argc; i++) {
		if (find(argv[i])->wait)
			pthread_join(find(argv[i])->thread, NULL);
		printf(" %s=%lld", argv[i], (long long)(find(argv[i])->woken - begin));
	}
	putchar('\n');
	return 0;
}
