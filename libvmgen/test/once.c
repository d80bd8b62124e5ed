/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Once per epoch: of the threads that find the state behind exactly one reseeds, the
 * others wait for it, and none goes on with what was there before.  What may happen
 * to the one that reseeds leaves nobody waiting: a fork, a restore, a failure, a
 * signal, cancellation.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "test.h"

#define THREADS		8
#define ROUNDS		200
#define FAILURES	3

static vmgen_once once = VMGEN_ONCE_INIT;
static int fd;

/* Plain, so that a thread sanitizer sees who does not wait. */
static uint64_t state;
static int reseeds, inside, arrived, bumps;

#define GET(v)	__atomic_load_n(&(v), __ATOMIC_SEQ_CST)
#define SET(v, to) __atomic_store_n(&(v), (to), __ATOMIC_SEQ_CST)
#define INC(v)	__atomic_add_fetch(&(v), 1, __ATOMIC_SEQ_CST)

static uint64_t generation(void)
{
	struct vmgen_info info;

	CHECK(vmgen_sync(&info) == 0);
	return info.generation;
}

static void yield_until(const int *value, int wanted)
{
	while (__atomic_load_n(value, __ATOMIC_SEQ_CST) != wanted)
		sched_yield();
}

static void start(pthread_t *threads, int n, void *(*run)(void *))
{
	int i;

	for (i = 0; i < n; i++)
		CHECK(!pthread_create(&threads[i], NULL, run, NULL));
}

static void join(const pthread_t *threads, int n)
{
	int i;

	for (i = 0; i < n; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

static int reseed(void *ctx)
{
	CHECK(ctx == &state);
	state = generation();
	INC(reseeds);
	return 0;
}

static void alone(void)
{
	vmgen_epoch e = vmgen_once_begin(&once, reseed, &state), next;

	CHECK(e != 0 && reseeds == 1 && state == generation());
	CHECK(vmgen_once_begin(&once, reseed, &state) == e && reseeds == 1);
	CHECK(!vmgen_once_retry(&once, e));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_once_retry(&once, e));
	next = vmgen_once_begin(&once, reseed, &state);
	CHECK(next != 0 && next != e && reseeds == 2 && state == generation());
	CHECK(!vmgen_once_retry(&once, next) && vmgen_once_retry(&once, e));
	vmgen_once_init(&once);
	CHECK(vmgen_once_begin(&once, reseed, &state) == next && reseeds == 3);
}

/* --- All at once ------------------------------------------------------------- */

static pthread_barrier_t barrier;

/* Nobody is in here twice, and the others have time to find it taken. */
static int reseed_slowly(void *ctx)
{
	int i;

	(void)ctx;
	CHECK(INC(inside) == 1);
	yield_until(&arrived, THREADS);
	for (i = 0; i < 20; i++)
		sched_yield();
	state = generation();
	INC(reseeds);
	CHECK(__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST) == 0);
	return 0;
}

static void *one_of_many(void *arg)
{
	vmgen_epoch e;
	int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
			SET(arrived, 0);
			SET(reseeds, 0);
			CHECK(vmgen_test_bump(fd) == 0);
		}
		pthread_barrier_wait(&barrier);
		INC(arrived);
		e = vmgen_once_begin(&once, reseed_slowly, NULL);
		CHECK(e != 0 && GET(reseeds) == 1 && state == generation());
		CHECK(!vmgen_once_retry(&once, e));
	}
	return NULL;
}

static void exactly_one_of_many(void)
{
	pthread_t threads[THREADS];

	CHECK(!pthread_barrier_init(&barrier, NULL, THREADS));
	start(threads, THREADS, one_of_many);
	join(threads, THREADS);
}

/* --- A failure --------------------------------------------------------------- */

static int calls, zeros;

static int reseed_badly(void *ctx)
{
	(void)ctx;
	CHECK(INC(inside) == 1);
	yield_until(&arrived, THREADS);
	CHECK(__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST) == 0);
	return INC(calls) > FAILURES ? 0 : -EIO;
}

static void *one_that_may_fail(void *arg)
{
	(void)arg;
	INC(arrived);
	if (!vmgen_once_begin(&once, reseed_badly, NULL))
		INC(zeros);
	return NULL;
}

/* Each failure is one caller's, and the next one tries for himself. */
static void a_failure_is_taken_over(void)
{
	pthread_t threads[THREADS];

	CHECK(vmgen_test_bump(fd) == 0);
	SET(arrived, 0);
	start(threads, THREADS, one_that_may_fail);
	join(threads, THREADS);
	CHECK(zeros == FAILURES && calls == FAILURES + 1);
}

/* --- A restore, a nested call, a signal -------------------------------------- */

static int reseed_and_be_restored(void *ctx)
{
	uint64_t seeded = generation();

	(void)ctx;
	if (bumps > 0) {
		bumps--;
		CHECK(vmgen_test_bump(fd) == 0);
	}
	state = seeded;
	return 0;
}

static void a_restore_meanwhile(void)
{
	vmgen_epoch e;

	CHECK(vmgen_test_bump(fd) == 0);
	bumps = 3;
	e = vmgen_once_begin(&once, reseed_and_be_restored, NULL);
	CHECK(e != 0 && bumps == 0 && state == generation());
	CHECK(!vmgen_once_retry(&once, e));
}

static int reseed_in_itself(void *ctx)
{
	(void)ctx;
	INC(inside);
	CHECK(vmgen_once_begin(&once, reseed_in_itself, NULL) == 0);
	return 0;
}

static void handler(int sig)
{
	(void)sig;
	INC(arrived);
	CHECK(vmgen_once_begin(&once, reseed_in_itself, NULL) == 0);
}

static int reseed_and_be_interrupted(void *ctx)
{
	(void)ctx;
	CHECK(raise(SIGUSR1) == 0);
	return 0;
}

static void by_the_same_thread(void)
{
	struct sigaction sa = { .sa_handler = handler };

	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_once_begin(&once, reseed_in_itself, NULL) != 0);
	CHECK(inside == 1);
	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	SET(arrived, 0);
	CHECK(vmgen_once_begin(&once, reseed_and_be_interrupted, NULL) != 0);
	CHECK(arrived == 1 && inside == 1);
	SET(inside, 0);
}

/* --- Cancellation, and a fork ------------------------------------------------ */

static int go_on;

static int reseed_until_told(void *ctx)
{
	(void)ctx;
	if (INC(inside) > 1)
		return 0;
	while (!GET(go_on)) {
		pthread_testcancel();
		sched_yield();
	}
	return 0;
}

static void *one_that_hangs(void *arg)
{
	(void)arg;
	CHECK(vmgen_once_begin(&once, reseed_until_told, NULL) != 0);
	return NULL;
}

static pthread_t start_one_that_hangs(void)
{
	pthread_t thread;

	CHECK(vmgen_test_bump(fd) == 0);
	SET(inside, 0);
	SET(go_on, 0);
	start(&thread, 1, one_that_hangs);
	yield_until(&inside, 1);
	return thread;
}

static void cancelled(void)
{
	pthread_t thread = start_one_that_hangs();

	CHECK(!pthread_cancel(thread));
	CHECK(vmgen_once_begin(&once, reseed_until_told, NULL) != 0);
	CHECK(inside == 2);
	join(&thread, 1);
}

/* The thread that reseeds is not in the child, and does not hold it up. */
static void forked_meanwhile(void)
{
	pthread_t thread = start_one_that_hangs();
	vmgen_epoch e;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60);
		e = vmgen_once_begin(&once, reseed_until_told, NULL);
		CHECK(e != 0 && inside == 2 && !vmgen_once_retry(&once, e));
		CHECK(vmgen_once_begin(&once, reseed_until_told, NULL) == e);
		_exit(0);
	}
	reap(pid);
	CHECK(inside == 1);
	SET(go_on, 1);
	CHECK(vmgen_once_begin(&once, reseed_until_told, NULL) != 0);
	CHECK(inside == 1);
	join(&thread, 1);
}

/* The reseed itself forks, and comes back in both. */
static int reseed_and_fork(void *ctx)
{
	if (INC(inside) == 1)
		*(pid_t *)ctx = fork();
	return 0;
}

static void forked_in_the_reseed(void)
{
	vmgen_epoch e;
	pid_t pid = -1;

	CHECK(vmgen_test_bump(fd) == 0);
	SET(inside, 0);
	e = vmgen_once_begin(&once, reseed_and_fork, &pid);
	CHECK(e != 0 && !vmgen_once_retry(&once, e));
	CHECK(vmgen_once_begin(&once, reseed_and_fork, &pid) == e);
	CHECK(inside == (pid == 0 ? 2 : 1));
	if (pid == 0)
		_exit(0);
	reap(pid);
}

/* --- Restores at any time ---------------------------------------------------- */

static uint64_t shared[2];
static int stop, passed;

static int reseed_shared(void *ctx)
{
	struct vmgen_info info;

	(void)ctx;
	/* -EIO: changed more often than the library follows. */
	if (vmgen_sync(&info) < 0)
		return -1;
	__atomic_store_n(&shared[0], info.generation, __ATOMIC_RELAXED);
	sched_yield();
	__atomic_store_n(&shared[1], info.generation, __ATOMIC_RELAXED);
	return 0;
}

/* What retry lets pass is whole, and not older than what was known before. */
static void *racer(void *arg)
{
	struct vmgen_info before;
	uint64_t a, b;
	vmgen_epoch e;
	int i;

	(void)arg;
	for (i = 0; i < 2000; i++) {
		if (vmgen_sync(&before) < 0)
			continue;
		e = vmgen_once_begin(&once, reseed_shared, NULL);
		a = __atomic_load_n(&shared[0], __ATOMIC_RELAXED);
		b = __atomic_load_n(&shared[1], __ATOMIC_RELAXED);
		/* Unchecked, as above, and nobody tells. */
		if (e == (uintptr_t)&vmgen_never[VMGEN_STRIDE / 8] ||
		    vmgen_once_retry(&once, e))
			continue;
		CHECK(a == b && a >= before.generation);
		INC(passed);
	}
	return NULL;
}

static void *bumper(void *arg)
{
	(void)arg;
	while (!GET(stop)) {
		CHECK(vmgen_test_bump(fd) == 0);
		sched_yield();
	}
	return NULL;
}

static void restored_at_any_time(void)
{
	pthread_t threads[THREADS], bump;

	vmgen_once_init(&once);
	start(&bump, 1, bumper);
	start(threads, THREADS, racer);
	join(threads, THREADS);
	SET(stop, 1);
	join(&bump, 1);
	CHECK(passed > 0);
}

static void unchecked(void)
{
	vmgen_epoch e;

	CHECK(vmgen_test_fault(fd, VMGEN_TEST_WEDGE) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	SET(inside, 0);
	SET(calls, FAILURES);
	SET(arrived, THREADS);
	e = vmgen_once_begin(&once, reseed_badly, NULL);
	CHECK(e != 0 && !vmgen_once_retry(&once, e));
	CHECK(vmgen_once_begin(&once, reseed_badly, NULL) != 0);
	CHECK(calls == FAILURES + 2);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
}

int main(void)
{
	struct vmgen_info info;

	fd = counter(0);
	alone();
	exactly_one_of_many();
	a_failure_is_taken_over();
	a_restore_meanwhile();
	by_the_same_thread();
	cancelled();
	restored_at_any_time();
	unchecked();
	CHECK(vmgen_sync(&info) == 0);
	if (!(info.flags & VMGEN_INFO_FORK))
		skip("no MADV_WIPEONFORK here");
	forked_meanwhile();
	forked_in_the_reseed();
	return 0;
}
