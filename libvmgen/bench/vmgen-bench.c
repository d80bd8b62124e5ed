/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a check costs, beside things whose cost is known, all in one run.  The rounds
 * of all rows are interleaved, so that a machine that changes its speed changes it
 * for every row, and the best round counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <vmgen.h>
#include <vmgen-test.h>

#define ROUNDS		9
#define ROUND_NS	4e6

static vmgen_guard guard = VMGEN_GUARD_INIT;
static const vmgen_word *live;
static uint64_t seen;
static int device = -1;

/* Keeps the compiler from moving work out of a loop or dropping it. */
#define USE(x) __asm__ __volatile__("" : : "r"(x) : "memory")

static int reseed(void *ctx)
{
	(void)ctx;
	return 0;
}

/* The least that any check can be: the address is known, the value is at hand. */
static void bare(long n)
{
	const vmgen_word *word = live;
	uint64_t value = seen;

	while (n--) {
		if (__builtin_expect(__atomic_load_n(word, __ATOMIC_ACQUIRE) != value, 0))
			abort();
		USE(n);
	}
}

static void changed(long n)
{
	while (n--) {
		if (vmgen_changed(&guard))
			abort();
		USE(n);
	}
}

static void begin_retry(long n)
{
	vmgen_epoch e;

	while (n--) {
		e = vmgen_begin(&guard, reseed, NULL);
		if (vmgen_retry(&guard, e))
			abort();
		USE(n);
	}
}

static void sync_call(long n)
{
	struct vmgen_info info;

	while (n--)
		USE(vmgen_sync(&info));
}

static void getppid_call(long n)
{
	while (n--)
		USE(syscall(SYS_getppid));
}

static void pread_device(long n)
{
	char info[32];

	while (n--)
		if (pread(device, info, sizeof(info), 0) != sizeof(info))
			abort();
}

static void getrandom_call(long n)
{
	char bytes[16];

	while (n--)
		USE(syscall(SYS_getrandom, bytes, sizeof(bytes), 0));
}

static struct row {
	const char *name;
	void (*run)(long n);
	const char *missing;	/* why it cannot run */
	long n;
	double ns;
} rows[] = {
	{ .name = "bare load and compare", .run = bare },
	{ .name = "vmgen_changed()", .run = changed },
	{ .name = "vmgen_begin() + vmgen_retry()", .run = begin_retry },
	{ .name = "vmgen_sync()", .run = sync_call },
	{ .name = "getppid system call", .run = getppid_call },
	{ .name = "pread of /dev/vmgenctr", .run = pread_device },
	{ .name = "getrandom system call, 16 bytes", .run = getrandom_call },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double time_of(const struct row *row)
{
	double start = now();

	row->run(row->n);
	return now() - start;
}

static void calibrate(struct row *row)
{
	for (row->n = 16; time_of(row) < ROUND_NS; row->n *= 2)
		;
	row->ns = 1e18;
}

static void measure(void)
{
	size_t i;
	int round;

	for (i = 0; i < ROWS; i++)
		if (!rows[i].missing)
			calibrate(&rows[i]);
	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < ROWS; i++) {
			double ns = rows[i].missing ? 0 : time_of(&rows[i]) / (double)rows[i].n;

			if (ns < rows[i].ns)
				rows[i].ns = ns;
		}
}

static void print(void)
{
	const struct row *row;

	printf("%-34s %12s %12s\n", "", "ns", "ratio");
	for (row = rows; row < rows + ROWS; row++)
		if (row->missing)
			printf("%-34s %12s %12s   %s\n", row->name, "n/a", "n/a", row->missing);
		else
			printf("%-34s %12.2f %12.1f\n", row->name, row->ns, row->ns / rows[0].ns);
}

/* The device if there is one; else the test backend, which costs a check the same. */
static int prepare(void)
{
	static char reason[80];
	int fd;

	device = open("/dev/vmgenctr", O_RDONLY | O_CLOEXEC);
	if (device >= 0) {
		printf("source: /dev/vmgenctr\n");
		return vmgen_open();
	}
	snprintf(reason, sizeof(reason), "(/dev/vmgenctr: %s)", strerror(errno));
	rows[5].missing = reason;
	printf("source: test backend\n");
	fd = vmgen_test_create(0);
	return fd < 0 ? fd : vmgen_test_install(fd);
}

int main(void)
{
	int r = prepare();

	if (r < 0) {
		fprintf(stderr, "vmgen-bench: %s\n", strerror(-r));
		return 1;
	}
	if (!vmgen_changed(&guard) || vmgen_changed(&guard)) {
		fprintf(stderr, "vmgen-bench: the guard does not settle\n");
		return 1;
	}
	live = vmgen_live_word(guard.epoch);
	seen = *live;
	measure();
	print();
	return 0;
}
