/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Threads that meet in the first use, in every change and in the replacement of the
 * source: each sees every change, and none goes on with an older generation.
 */
#include <pthread.h>

#include "test.h"

#define THREADS	8
#define ROUNDS	300

static pthread_barrier_t barrier;
static int fd;

/* -EIO: changed more often than the library follows. */
static int sync_or_eio(struct vmgen_info *ret)
{
	int r = vmgen_sync(ret);

	CHECK(r == 0 || r == -EIO);
	return r;
}

static int reseed(void *ctx)
{
	struct vmgen_info info;
	int r = sync_or_eio(&info);

	if (r == 0)
		*(uint64_t *)ctx = info.generation;
	return r;
}

static void round_of(vmgen_guard *g, uint64_t *seeded, uint64_t generation)
{
	vmgen_epoch e;

	pthread_barrier_wait(&barrier);
	do {
		e = vmgen_begin(g, reseed, seeded);
		CHECK(e != 0);
	} while (vmgen_retry(g, e));
	CHECK(*seeded == generation);
	pthread_barrier_wait(&barrier);
}

static void *worker(void *arg)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	uint64_t seeded = 0, i;

	for (i = 1; i <= ROUNDS; i++) {
		round_of(&g, &seeded, i);
		if (!arg)
			continue;
		CHECK(vmgen_test_bump(fd) == 0);
		if (i % 50 == 0)
			CHECK(vmgen_test_install(fd) == 0);
	}
	return NULL;
}

/* Bumped at any time: the generation that a state was seeded in is never behind. */
static int stop;

static void *bumper(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		CHECK(vmgen_test_bump(fd) == 0);
	return NULL;
}

static void *racer(void *arg)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	struct vmgen_info before;
	uint64_t seeded = 0;
	int i, checked = 0;

	(void)arg;
	for (i = 0; i < 2000; i++) {
		if (sync_or_eio(&before) < 0 || !vmgen_begin(&g, reseed, &seeded))
			continue;
		CHECK(seeded >= before.generation);
		checked++;
	}
	CHECK(checked > 0);
	return NULL;
}

/*
 * All replace the source at once: each was replaced, and closed, by others meanwhile.  What
 * was replaced stays mapped, and valgrind follows 30,000 mappings.
 */
static void *installer(void *arg)
{
	struct vmgen_info info;
	int i;

	(void)arg;
	pthread_barrier_wait(&barrier);
	for (i = 0; i < ROUNDS / 4; i++) {
		CHECK(vmgen_test_install(fd) == 0);
		sync_or_eio(&info);
	}
	return NULL;
}

static void in_all_threads(void *(*start)(void *), void *of_the_first)
{
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, start, i == 0 ? of_the_first : NULL));
	for (i = 0; i < THREADS; i++)
		CHECK(!pthread_join(threads[i], NULL));
}

int main(void)
{
	pthread_t bump;

	fd = counter(0);
	CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
	in_all_threads(worker, &fd);

	CHECK(!pthread_create(&bump, NULL, bumper, NULL));
	in_all_threads(racer, NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	CHECK(!pthread_join(bump, NULL));

	in_all_threads(installer, NULL);
	return 0;
}
