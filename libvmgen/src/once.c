/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Once per epoch.  The guard says which epoch the state is of; whoever finds it
 * behind becomes the owner, who alone moves it, or waits until there is none.
 *
 * An owner is a thread of a process.  A child that is forked while another thread
 * reseeds inherits an owner that it does not have, and takes over.
 */
#include <pthread.h>

#include "lib.h"

struct owned {
	vmgen_once *o;
	uint64_t me;
	vmgen_epoch epoch;
};

/*
 * A word names both: 24 bits the process, 40 bits the thread, which is known by the
 * address of what the C library keeps of it.  No thread-local variable of ours is as
 * good: what dlopen() can always place may be allocated on first use, which may be in a
 * signal handler.  A stack lies between two of these addresses, so the lowest bits tell
 * nothing, and 40 of the others cover 2^47 bytes, which is where the memory of a process
 * is unless it asks for more.
 *
 * A thread whose address is that of a former one is no mistake: who ends has left, and
 * where that was not done (longjmp() out of a reseed) the new thread gets 0 instead of
 * waiting.  The same befalls two threads that differ in none of these bits.
 */
#define THREAD_BITS	40
#define THREAD_SHIFT	7

static uint64_t owner_self(void)
{
	uint64_t thread = (uintptr_t)pthread_self() >> THREAD_SHIFT;

	return (uint64_t)vmgen_process() << THREAD_BITS |
	       (thread & ((UINT64_C(1) << THREAD_BITS) - 1));
}

/* A thread of this process, as far as can be told: process 0 is an unknown one. */
static bool owner_exists(uint64_t owner, uint64_t me)
{
	uint64_t process = owner >> THREAD_BITS;

	return owner && (!process || process == me >> THREAD_BITS);
}

/* 0: taken, -EBUSY: another thread has it, -EDEADLK: so has this one, further out */
static int owner_take(vmgen_once *o, uint64_t me)
{
	uint64_t owner = __atomic_load_n(&o->owner, __ATOMIC_RELAXED);

	do {
		if (owner == me)
			return -EDEADLK;
		if (owner_exists(owner, me))
			return -EBUSY;
	} while (!__atomic_compare_exchange_n(&o->owner, &owner, me, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return 0;
}

/*
 * Sequentially consistent, as is wait_for_owner(): either this side sees that
 * somebody waits, or that side sees that there is no owner any more.
 */
static void owner_leave(void *arg)
{
	struct owned *w = arg;
	uint64_t me = w->me;

	__atomic_compare_exchange_n(&w->o->owner, &me, 0, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	__atomic_add_fetch(&w->o->turn, 1, __ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&w->o->waiting, 0, __ATOMIC_SEQ_CST))
		vmgen_sys_wake(&w->o->turn);
}

/* May return early.  A sealed library has nothing to sleep on. */
static void wait_for_owner(vmgen_once *o, uint64_t me)
{
	uint32_t turn = __atomic_load_n(&o->turn, __ATOMIC_SEQ_CST);

	if (vmgen_sealed())
		return;
	__atomic_store_n(&o->waiting, 1, __ATOMIC_SEQ_CST);
	if (owner_exists(__atomic_load_n(&o->owner, __ATOMIC_SEQ_CST), me))
		vmgen_sys_wait(&o->turn, turn);
}

/*
 * Another owner may have been done just before, which vmgen_begin() finds out.  A
 * thread that is cancelled in its reseed leaves the state to others.
 */
static vmgen_epoch begin_owned(vmgen_once *o, uint64_t me, int (*reseed)(void *ctx),
			       void *ctx)
{
	struct owned w = { .o = o, .me = me };

	pthread_cleanup_push(owner_leave, &w);
	w.epoch = vmgen_begin(&o->guard, reseed, ctx);
	pthread_cleanup_pop(1);
	return w.epoch;
}

vmgen_epoch vmgen_once_slow(vmgen_once *o, int (*reseed)(void *ctx), void *ctx)
{
	const vmgen_word *record;
	uint64_t me = owner_self();
	int r;

	for (;;) {
		r = owner_take(o, me);
		if (r == 0)
			return begin_owned(o, me, reseed, ctx);
		if (r == -EDEADLK)
			return 0;
		wait_for_owner(o, me);
		/* Acquire: as in vmgen_once_begin(). */
		record = __atomic_load_n(&o->guard.epoch, __ATOMIC_ACQUIRE);
		if (vmgen_is_live(record))
			return (uintptr_t)record;
	}
}
