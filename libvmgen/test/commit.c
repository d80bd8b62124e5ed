/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A value goes with the generation it was made in: nobody publishes one of an epoch
 * that is over, nobody takes one of another generation, and while one lasts, each is
 * taken exactly once and whole, by whatever thread, process or signal handler.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "layouts.h"

static vmgen_guard guard = VMGEN_GUARD_INIT;
static int fd;

static int reseed(void *ctx)
{
	(void)ctx;
	return 0;
}

static vmgen_epoch begin(void)
{
	vmgen_epoch e = vmgen_begin(&guard, reseed, NULL);

	CHECK(e != 0);
	return e;
}

static void restore(void)
{
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_test_ready(fd) == 0);
}

/* Who is outside of the machine knows its generation, and sees its memory. */
static bool live_outside(const vmgen_slot *s)
{
	struct vmgen_info info;

	CHECK(vmgen_sync(&info) == 0);
	return s->tag == info.generation + 1;
}

static void one_after_another(void)
{
	vmgen_slot s = VMGEN_SLOT_INIT;
	vmgen_epoch e = begin();
	uint64_t value = 7;

	errno = EXDEV;
	CHECK(vmgen_take(&guard, e, &s, &value) == -EAGAIN && value == 7);
	CHECK(!live_outside(&s));
	CHECK(vmgen_commit(&guard, e, &s, 1) == 0);
	CHECK(live_outside(&s) && s.value == 1);
	CHECK(vmgen_commit(&guard, e, &s, 2) == -EAGAIN && s.value == 1);
	CHECK(vmgen_take(&guard, e, &s, &value) == 0 && value == 1);
	CHECK(s.tag == 0);
	CHECK(vmgen_take(&guard, e, &s, &value) == -EAGAIN && value == 1);
	/* Any value is one. */
	CHECK(vmgen_commit(NULL, e, &s, 0) == 0);
	CHECK(vmgen_take(NULL, e, &s, &value) == 0 && value == 0);
	CHECK(vmgen_commit(NULL, e, &s, UINT64_MAX) == 0);
	CHECK(vmgen_take(NULL, e, &s, &value) == 0 && value == UINT64_MAX);
	CHECK(errno == EXDEV);
}

/* Nothing is published in an epoch that is over, and what is newer stays. */
static void old_epoch(void)
{
	vmgen_slot s = VMGEN_SLOT_INIT;
	vmgen_epoch old = begin(), new;
	uint64_t value = 7;

	restore();
	CHECK(vmgen_commit(&guard, old, &s, 1) == -ESTALE && s.tag == 0);
	CHECK(vmgen_commit(&guard, 0, &s, 1) == -ESTALE && s.tag == 0);
	CHECK(vmgen_take(&guard, 0, &s, &value) == -ESTALE);
	new = begin();
	CHECK(vmgen_commit(&guard, new, &s, 2) == 0);
	CHECK(vmgen_commit(&guard, old, &s, 3) == -ESTALE);
	CHECK(vmgen_take(&guard, old, &s, &value) == -EAGAIN && value == 7);
	CHECK(live_outside(&s) && s.value == 2);
	CHECK(vmgen_take(&guard, new, &s, &value) == 0 && value == 2);
}

/* What was published before a restore is nobody's behind it, and makes room. */
static void old_value(void)
{
	vmgen_slot s = VMGEN_SLOT_INIT, t = VMGEN_SLOT_INIT;
	vmgen_epoch old = begin(), new;
	uint64_t value = 7;

	CHECK(vmgen_commit(&guard, old, &s, 1) == 0);
	CHECK(vmgen_commit(&guard, old, &t, 1) == 0);
	restore();
	CHECK(!live_outside(&s));
	CHECK(vmgen_take(&guard, old, &t, &value) == -ESTALE && value == 7);
	new = begin();
	CHECK(vmgen_take(&guard, new, &s, &value) == -EAGAIN && value == 7);
	CHECK(vmgen_commit(&guard, new, &s, 2) == 0);
	CHECK(vmgen_take(&guard, new, &s, &value) == 0 && value == 2);
}

static void refused(void)
{
	static vmgen_slot two[2];
	vmgen_slot *between = (vmgen_slot *)((char *)two + 8);
	vmgen_epoch e = begin();
	uint64_t value = 7;

	CHECK(vmgen_commit(&guard, e, between, 1) == -EINVAL);
	CHECK(vmgen_take(&guard, e, between, &value) == -EINVAL);
	/* An epoch of no generation. */
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_GARBAGE) == 0);
	vmgen_guard_init(&guard);
	CHECK(vmgen_status() == VMGEN_BROKEN);
	CHECK(vmgen_commit(&guard, begin(), two, 1) == -EIO && two->tag == 0);
	CHECK(vmgen_take(&guard, begin(), two, &value) == -EIO && value == 7);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	vmgen_guard_init(&guard);
	CHECK(vmgen_commit(&guard, begin(), two, 1) == 0);
}

/* Any counter will do, and none: then there is one generation. */
static void any_counter(const struct layout *l)
{
	vmgen_slot s = VMGEN_SLOT_INIT;
	uint64_t value = 0;

	fd = vmgen_test_create(l->flags);
	CHECK(fd >= 0 && vmgen_test_install(fd) == 0);
	one_after_another();
	old_epoch();
	old_value();
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_test_install(fd) == 0);
	CHECK(vmgen_status() == VMGEN_ABSENT);
	CHECK(vmgen_commit(&guard, begin(), &s, 1) == 0);
	CHECK(vmgen_take(&guard, begin(), &s, &value) == 0 && value == 1);
	close(fd);
}

/* The child has an epoch of its own; a slot that is shared is one. */
static void forked(void)
{
	vmgen_slot *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	vmgen_epoch e = begin();
	struct vmgen_info info;
	uint64_t value = 0;
	pid_t pid;

	CHECK(s != MAP_FAILED);
	CHECK(vmgen_sync(&info) == 0);
	if (!(info.flags & VMGEN_INFO_FORK))
		return;
	CHECK(vmgen_commit(&guard, e, s, 1) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_take(&guard, e, s, &value) == -ESTALE);
		CHECK(vmgen_commit(&guard, e, s, 2) == -ESTALE);
		CHECK(vmgen_take(&guard, begin(), s, &value) == 0 && value == 1);
		CHECK(vmgen_commit(&guard, begin(), s, 3) == 0);
		_exit(0);
	}
	reap(pid);
	CHECK(vmgen_take(&guard, e, s, &value) == 0 && value == 3);
	munmap(s, sizeof(*s));
}

/*
 * Racing: a value says who made it, its number, and the generation it was made in,
 * which is what its epoch is of, however long it takes until it is published.
 */
#define THREADS	3
#define VALUES	4000
#define RESTORES 200

static vmgen_slot slot;
static unsigned char taken[THREADS][VALUES];
static int committed, received, stale, producing, restoring;

static int count(int *what)
{
	return __atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static int load(const int *what)
{
	return __atomic_load_n(what, __ATOMIC_RELAXED);
}

static int note_generation(void *ctx)
{
	struct vmgen_info info;

	CHECK(vmgen_sync(&info) == 0);
	*(uint64_t *)ctx = info.generation;
	return 0;
}

static void *producer(void *arg)
{
	uint64_t id = (uintptr_t)arg, generation = 0, n;
	vmgen_guard g = VMGEN_GUARD_INIT;
	vmgen_epoch e;
	int r;

	for (n = 0; n < VALUES; n++) {
		do {
			e = vmgen_begin(&g, note_generation, &generation);
			sched_yield();
			r = vmgen_commit(&g, e, &slot, generation << 32 | id << 16 | n);
			CHECK(r == 0 || r == -ESTALE || r == -EAGAIN);
		} while (r != 0);
		count(&committed);
	}
	__atomic_fetch_sub(&producing, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void receive(uint64_t value, uint64_t generation)
{
	unsigned char *mark = &taken[value >> 16 & 0xffff][value & 0xffff];

	CHECK(value >> 32 == generation);
	CHECK(!__atomic_exchange_n(mark, 1, __ATOMIC_RELAXED));
	count(&received);
}

static void *consumer(void *arg)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	uint64_t generation = 0, value;
	vmgen_epoch e;
	bool last;
	int r;

	(void)arg;
	do {
		last = !__atomic_load_n(&producing, __ATOMIC_ACQUIRE);
		e = vmgen_begin(&g, note_generation, &generation);
		r = vmgen_take(&g, e, &slot, &value);
		CHECK(r == 0 || r == -ESTALE || r == -EAGAIN);
		if (r == -ESTALE)
			count(&stale);
		if (r == 0)
			receive(value, generation);
		else
			sched_yield();
	} while (!last || r == 0);
	return NULL;
}

/* Each generation lasts until something has been taken in it. */
static void *restorer(void *arg)
{
	int i, before = 0;

	(void)arg;
	for (i = 0; i < load(&restoring); i++) {
		while (load(&received) == before && load(&producing))
			sched_yield();
		before = load(&received);
		restore();
	}
	return NULL;
}

static void race(int restores)
{
	pthread_t threads[2 * THREADS + 1];
	uintptr_t i;

	memset(taken, 0, sizeof(taken));
	slot = (vmgen_slot)VMGEN_SLOT_INIT;
	committed = received = stale = 0;
	producing = THREADS;
	restoring = restores;
	for (i = 0; i < THREADS; i++) {
		CHECK(!pthread_create(&threads[i], NULL, producer, (void *)i));
		CHECK(!pthread_create(&threads[THREADS + i], NULL, consumer, NULL));
	}
	CHECK(!pthread_create(&threads[2 * THREADS], NULL, restorer, NULL));
	for (i = 0; i < 2 * THREADS + 1; i++)
		CHECK(!pthread_join(threads[i], NULL));
	CHECK(committed == THREADS * VALUES);
	CHECK(received <= committed);
	/* A restore loses what is in the slot, and what a consumer was told not to use. */
	CHECK(received >= committed - restores - stale);
	printf("%d values, %d restores, %d taken\n", committed, restores, received);
}

/* A handler is a consumer, and a producer, at whatever point it interrupts either. */
#define SIGNALS	2000

static volatile sig_atomic_t signals;
static uint64_t sum_in, sum_out;

static void commit_and_take(uint64_t value)
{
	vmgen_epoch e = begin();
	int saved = errno;

	errno = EXDEV;
	if (vmgen_commit(&guard, e, &slot, value) == 0)
		__atomic_fetch_add(&sum_in, value, __ATOMIC_RELAXED);
	if (vmgen_take(&guard, e, &slot, &value) == 0)
		__atomic_fetch_add(&sum_out, value, __ATOMIC_RELAXED);
	CHECK(errno == EXDEV);
	errno = saved;
}

static void handler(int sig)
{
	(void)sig;
	commit_and_take((uint64_t)signals++ << 32);
}

static void interrupted(void)
{
	struct itimerval often = { { 0, 100 }, { 0, 100 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = handler };
	uint64_t n = 0;

	slot = (vmgen_slot)VMGEN_SLOT_INIT;
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	while (signals < SIGNALS)
		commit_and_take(++n);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK(slot.tag == 0);
	CHECK(sum_in == sum_out && sum_in != 0);
}

int main(void)
{
	fd = counter(0);
	if (vmgen_commit(&guard, begin(), &slot, 1) == -EOPNOTSUPP) {
		CHECK(vmgen_take(&guard, begin(), &slot, NULL) == -EOPNOTSUPP);
		CHECK(slot.tag == 0);
		skip("this processor does not swap 128 bits");
	}
	one_after_another();
	old_epoch();
	old_value();
	refused();
	forked();
	race(0);
	race(RESTORES);
	interrupted();
	each_layout(any_counter);
	return 0;
}
