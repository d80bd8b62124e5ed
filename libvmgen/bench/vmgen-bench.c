/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a check costs, beside things whose cost is known, all in one run.  The rounds
 * of all rows are interleaved, so that a machine that changes its speed changes it
 * for every row, and the best round counts.
 *
 * A ratio is to the bare load and compare with as many threads: what they share shows
 * in the columns to the right, and nothing else does.
 *
 * Before that, what it costs where there is no counter, and how long a page that the
 * hypervisor never finishes holds up those who look at it.  Goals stand beside the
 * figures; nothing here fails when they are missed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include <vmgen.h>
#include <vmgen-test.h>

#define ROUNDS		25
#define ROUND_NS	2e6
#define THREADS_MAX	8
#define BYTES		32

static const int threads[] = { 1, 2, THREADS_MAX };
#define COLUMNS		(sizeof(threads) / sizeof(threads[0]))

static vmgen_guard guard = VMGEN_GUARD_INIT;
static vmgen_once once = VMGEN_ONCE_INIT;
static const vmgen_word *live;
static uint64_t seen;
static int device = -1, null = -1;

/* Keeps the compiler from moving work out of a loop or dropping it. */
#define USE(x) __asm__ __volatile__("" : : "r"(x) : "memory")

static int reseed(void *ctx)
{
	(void)ctx;
	return 0;
}

/* --- What is measured -------------------------------------------------------- */

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

/* As one would write it for one counter, once and for all: the two are variables. */
static void by_hand(long n)
{
	while (n--) {
		if (__builtin_expect(__atomic_load_n(live, __ATOMIC_ACQUIRE) != seen, 0))
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

static void once_begin_retry(long n)
{
	vmgen_epoch e;

	while (n--) {
		e = vmgen_once_begin(&once, reseed, NULL);
		if (vmgen_once_retry(&once, e))
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
	char bytes[BYTES];

	while (n--)
		USE(syscall(SYS_getrandom, bytes, sizeof(bytes), 0));
}

static void getrandom_libc(long n)
{
	char bytes[BYTES];

	while (n--)
		USE(getrandom(bytes, sizeof(bytes), 0));
}

/* Verified where the source can be, which costs the same. */
static void getrandom_checked(long n)
{
	char bytes[BYTES];

	while (n--)
		if (vmgen_getrandom(bytes, sizeof(bytes), VMGEN_UNVERIFIED) < 0)
			abort();
}

static void write_call(long n)
{
	while (n--)
		USE(syscall(SYS_write, null, "", 1));
}

static void write_checked(long n)
{
	vmgen_epoch e = vmgen_begin(&guard, reseed, NULL);

	while (n--)
		if (vmgen_write(&guard, e, null, "", 1) != 1)
			abort();
}

/*
 * A stand-in for a getter of the generation as libraries have it that do without a
 * common one: each of three layers makes sure that it is initialised, and two locks
 * are taken for reading.
 */
static pthread_once_t layers[3] = { PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT, PTHREAD_ONCE_INIT };
static pthread_rwlock_t locks[2] = { PTHREAD_RWLOCK_INITIALIZER, PTHREAD_RWLOCK_INITIALIZER };

static void initialise(void)
{
}

static __attribute__((__noinline__)) uint64_t locked_generation(void)
{
	uint64_t value;
	int i;

	for (i = 0; i < 3; i++)
		pthread_once(&layers[i], initialise);
	for (i = 0; i < 2; i++)
		pthread_rwlock_rdlock(&locks[i]);
	value = __atomic_load_n(live, __ATOMIC_ACQUIRE);
	for (i = 0; i < 2; i++)
		pthread_rwlock_unlock(&locks[i]);
	return value;
}

static void locked(long n)
{
	while (n--) {
		if (locked_generation() != seen)
			abort();
		USE(n);
	}
}

/* --- Rows, and what they need ------------------------------------------------ */

/* Counters of other kinds have the same fast path; here it is shown. */
enum kind { MAIN, VMCLOCK, SYSGENID, KINDS };

static struct row {
	const char *name;
	void (*run)(long n);
	enum kind kind;
	const char *missing;	/* why it cannot run */
	long n;
	double ns[COLUMNS];
} rows[] = {
	{ .name = "bare load and compare", .run = bare },
	{ .name = "by hand, without fork", .run = by_hand },
	{ .name = "vmgen_changed(), fork included", .run = changed },
	{ .name = "  on vmclock", .run = changed, .kind = VMCLOCK },
	{ .name = "  on sysgenid", .run = changed, .kind = SYSGENID },
	{ .name = "vmgen_begin() + vmgen_retry()", .run = begin_retry },
	{ .name = "vmgen_once_begin() + _retry()", .run = once_begin_retry },
	{ .name = "stand-in: rwlock x2, once x3", .run = locked },
	{ .name = "vmgen_sync()", .run = sync_call },
	{ .name = "getppid system call", .run = getppid_call },
	{ .name = "pread of /dev/vmgenctr", .run = pread_device },
	{ .name = "getrandom system call, 32 bytes", .run = getrandom_call },
	{ .name = "getrandom of the vDSO, 32 bytes", .run = getrandom_libc },
	{ .name = "vmgen_getrandom(), 32 bytes", .run = getrandom_checked },
	{ .name = "write system call, /dev/null", .run = write_call },
	{ .name = "vmgen_write(), /dev/null", .run = write_checked },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static int counters[KINDS] = { -1, -1, -1 };	/* MAIN: the device, or one for tests */
static enum kind current = MAIN;

static int settle(void)
{
	(void)vmgen_changed(&guard);
	if (vmgen_changed(&guard) || !vmgen_once_begin(&once, reseed, NULL)) {
		fprintf(stderr, "vmgen-bench: the guard does not settle\n");
		return -EIO;
	}
	live = vmgen_live_word(guard.epoch);
	seen = *live;
	return 0;
}

static void switch_to(enum kind kind)
{
	if (kind == current)
		return;
	if (vmgen_test_install(counters[kind]) < 0 || settle() < 0)
		abort();
	current = kind;
}

static void miss(void (*run)(long n), const char *reason)
{
	struct row *row;

	for (row = rows; row < rows + ROWS; row++)
		if (row->run == run)
			row->missing = reason;
}

/* --- Measuring --------------------------------------------------------------- */

static pthread_barrier_t barrier;

struct worker {
	pthread_t thread;
	const struct row *row;
	double start, end;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&barrier);
	w->start = now();
	w->row->run(w->row->n);
	w->end = now();
	return NULL;
}

/* From the first that starts to the last that ends, for each operation of all. */
static double time_of(const struct row *row, int n)
{
	struct worker workers[THREADS_MAX];
	double start, end;
	int i;

	switch_to(row->kind);
	pthread_barrier_init(&barrier, NULL, (unsigned int)n);
	for (i = 0; i < n; i++) {
		workers[i].row = row;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			abort();
	}
	for (i = 0; i < n; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&barrier);
	start = workers[0].start;
	end = workers[0].end;
	for (i = 1; i < n; i++) {
		start = workers[i].start < start ? workers[i].start : start;
		end = workers[i].end > end ? workers[i].end : end;
	}
	return (end - start) / ((double)row->n * n);
}

static void calibrate(struct row *row)
{
	size_t c;

	for (row->n = 16; time_of(row, 1) * (double)row->n < ROUND_NS; row->n *= 2)
		;
	for (c = 0; c < COLUMNS; c++)
		row->ns[c] = 1e18;
}

static void measure_once(struct row *row)
{
	double ns;
	size_t c;

	for (c = 0; c < COLUMNS && !row->missing; c++) {
		ns = time_of(row, threads[c]);
		row->ns[c] = ns < row->ns[c] ? ns : row->ns[c];
	}
}

static void measure(void)
{
	size_t i;
	int round;

	for (i = 0; i < ROWS; i++)
		if (!rows[i].missing)
			calibrate(&rows[i]);
	for (round = 0; round < ROUNDS; round++)
		for (i = 0; i < ROWS; i++)
			measure_once(&rows[i]);
}

static void print(void)
{
	const struct row *row;
	size_t c;

	printf("%-32s %10s %10s", "", "ns", "ratio");
	for (c = 1; c < COLUMNS; c++)
		printf(" %8d thr", threads[c]);
	printf("\n");
	for (row = rows; row < rows + ROWS; row++) {
		if (row->missing) {
			printf("%-32s %10s   %s\n", row->name, "n/a", row->missing);
			continue;
		}
		printf("%-32s %10.2f %10.2f", row->name, row->ns[0], row->ns[0] / rows[0].ns[0]);
		for (c = 1; c < COLUMNS; c++)
			printf(" %12.2f", row->ns[c] / rows[0].ns[c]);
		printf("\n");
	}
}

/* --- What this machine has --------------------------------------------------- */

/* The device if there is one; else the test backend, which costs a check the same. */
static int prepare_counter(void)
{
	static char reason[80];

	device = open("/dev/vmgenctr", O_RDONLY | O_CLOEXEC);
	if (device >= 0) {
		printf("source: /dev/vmgenctr\n");
		return vmgen_open();
	}
	snprintf(reason, sizeof(reason), "(/dev/vmgenctr: %s)", strerror(errno));
	miss(pread_device, reason);
	printf("source: test backend\n");
	counters[MAIN] = vmgen_test_create(0);
	return counters[MAIN] < 0 ? counters[MAIN] : vmgen_test_install(counters[MAIN]);
}

static void prepare_getrandom(void)
{
#ifdef __GLIBC__
	static char reason[80];
	int minor = 0;

	if (sscanf(gnu_get_libc_version(), "2.%d", &minor) == 1 && minor >= 41)
		return;
	snprintf(reason, sizeof(reason), "(C library %s does not use it)",
		 gnu_get_libc_version());
	miss(getrandom_libc, reason);
#else
	miss(getrandom_libc, "(not known of this C library)");
#endif
}

static int prepare(void)
{
	int r = prepare_counter();

	if (r < 0)
		return r;
	prepare_getrandom();
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	counters[VMCLOCK] = vmgen_test_create(VMGEN_TEST_VMCLOCK);
	counters[SYSGENID] = vmgen_test_create(VMGEN_TEST_SYSGENID);
	if (null < 0 || counters[VMCLOCK] < 0 || counters[SYSGENID] < 0)
		return -EIO;
	return settle();
}

/* --- Without a counter, and with a torn one ------------------------------------ */

#define GUARDS		1024
#define SINGLE_ROUNDS	101	/* a median is one of them */

/* Each returns nanoseconds for one operation; they are measured in turns. */
struct single {
	const char *name;
	double (*once)(void);
	int basis;		/* the row that the ratio is to, or -1 */
	const char *goal;
	double ns[SINGLE_ROUNDS];
};

static double for_each(void (*run)(long n), long n)
{
	double start = now();

	run(n);
	return (now() - start) / (double)n;
}

static double plain_bytes(void)
{
	return for_each(getrandom_libc, 500);
}

static double checked_bytes(void)
{
	return for_each(getrandom_checked, 50);
}

static double first_looks(void)
{
	static const vmgen_guard new = VMGEN_GUARD_INIT;
	static vmgen_guard guards[GUARDS];
	double start;
	int i;

	for (i = 0; i < GUARDS; i++)
		guards[i] = new;
	start = now();
	for (i = 0; i < GUARDS; i++)
		if (!vmgen_changed(&guards[i]))
			abort();
	return (now() - start) / GUARDS;
}

static double later_looks(void)
{
	(void)vmgen_changed(&guard);
	return for_each(changed, 10000);
}

/* Whether retry is true is another question. */
static double sections(void)
{
	double start = now();
	vmgen_epoch e;
	int i;

	for (i = 0; i < 1000; i++) {
		e = vmgen_begin(&guard, reseed, NULL);
		USE(vmgen_retry(&guard, e));
	}
	return (now() - start) / 1000;
}

static double look_once(void)
{
	static const vmgen_guard new = VMGEN_GUARD_INIT;
	double start;

	guard = new;
	start = now();
	USE(vmgen_changed(&guard));
	return now() - start;
}

/* The first one of a child, in which every page that it touches is copied. */
static double in_child(void (*run)(long n))
{
	static double *shared;
	int status;
	pid_t pid;

	if (!shared)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = shared == MAP_FAILED ? -1 : fork();
	if (pid == 0) {
		*shared = for_each(run, 1);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		abort();
	return *shared;
}

static double plain_child(void)
{
	return in_child(getrandom_libc);
}

static double checked_child(void)
{
	return in_child(getrandom_checked);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_single(const struct single *row, double ns, double basis)
{
	printf("%-44s %12.2f", row->name, ns);
	if (row->basis < 0)
		printf(" %10s", "-");
	else
		printf(" %10.2f", ns / basis);
	printf("   %s\n", row->goal);
}

static void measure_singles(struct single *all, size_t n)
{
	size_t i;
	int round;

	for (i = 0; i < n; i++)
		(void)all[i].once();
	for (round = 0; round < SINGLE_ROUNDS; round++)
		for (i = 0; i < n; i++)
			all[i].ns[round] = all[i].once();
	for (i = 0; i < n; i++)
		qsort(all[i].ns, SINGLE_ROUNDS, sizeof(double), compare);
	printf("%-44s %12s %10s   %s\n", "", "ns", "to plain", "goal");
	for (i = 0; i < n; i++)
		print_single(&all[i], all[i].ns[SINGLE_ROUNDS / 2],
			     all[i].basis < 0 ? 1 : all[all[i].basis].ns[SINGLE_ROUNDS / 2]);
}

static void without_counter(unsigned int unused)
{
	static struct single singles[] = {
		{ "getrandom(), 32 bytes", plain_bytes, -1, "", { 0 } },
		{ "vmgen_getrandom(), VMGEN_UNVERIFIED", checked_bytes, 0, "ratio at most 1.1", { 0 } },
		{ "a new guard's first vmgen_changed()", first_looks, 0, "below 50 ns", { 0 } },
		{ "a guard's later vmgen_changed()", later_looks, 0, "", { 0 } },
		{ "vmgen_begin() + vmgen_retry()", sections, 0, "below 50 ns", { 0 } },
		{ "child of fork(): getrandom()", plain_child, -1, "", { 0 } },
		{ "child of fork(): vmgen_getrandom()", checked_child, 5, "", { 0 } },
	};
	enum vmgen_status status = vmgen_status();

	(void)unused;
	if (status != VMGEN_ABSENT && status != VMGEN_NOTIFY_ONLY) {
		printf("not measured: this machine has a counter (vmgen_status() is %d)\n",
		       (int)status);
		return;
	}
	measure_singles(singles, sizeof(singles) / sizeof(singles[0]));
}

static int torn;	/* the counter that it is */

static double whole_sync(void)
{
	vmgen_test_fault(torn, VMGEN_TEST_RESTORE);
	return for_each(sync_call, 50);
}

static double torn_sync(void)
{
	vmgen_test_fault(torn, VMGEN_TEST_TEAR);
	return for_each(sync_call, 2);
}

static double torn_look(void)
{
	vmgen_test_fault(torn, VMGEN_TEST_TEAR);
	return look_once();
}

static void with_torn_page(unsigned int flags)
{
	static struct single singles[] = {
		{ "vmgen_sync(), whole page", whole_sync, -1, "", { 0 } },
		{ "vmgen_sync(), torn page", torn_sync, 0, "microseconds", { 0 } },
		{ "a new guard's vmgen_changed(), torn page", torn_look, 0, "microseconds", { 0 } },
	};

	torn = vmgen_test_create(flags);
	if (torn < 0 || vmgen_test_install(torn) < 0)
		abort();
	measure_singles(singles, sizeof(singles) / sizeof(singles[0]));
}

/* In a process of its own, so that nothing that was probed there is left here. */
static void apart(const char *title, void (*run)(unsigned int flags), unsigned int flags)
{
	int status;
	pid_t pid;

	printf("%s:\n", title);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		run(flags);
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fprintf(stderr, "vmgen-bench: this could not be measured\n");
	printf("\n");
}

int main(void)
{
	int r;

	apart("without a counter", without_counter, 0);
	apart("a page of vmclock that is never finished", with_torn_page, VMGEN_TEST_VMCLOCK);
	apart("a page of vmgenctr that is never finished", with_torn_page, 0);
	r = prepare();
	if (r < 0) {
		fprintf(stderr, "vmgen-bench: %s\n", strerror(-r));
		return 1;
	}
	measure();
	print();
	return 0;
}
