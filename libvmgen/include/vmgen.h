/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libvmgen: has this process been restored from a snapshot, cloned or forked
 * since I last looked?
 *
 *	static vmgen_guard g = VMGEN_GUARD_INIT;
 *
 *	if (vmgen_changed(&g))
 *		reseed();
 *
 * See vmgen_changed(3), vmgen_begin(3) and vmgen_once_begin(3).
 */
#ifndef VMGEN_H
#define VMGEN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#ifndef __cplusplus
#include <stdbool.h>
#elif __cplusplus >= 201103L && defined(__EXCEPTIONS)
extern "C++" {	/* also for those who put all of C into extern "C" */
#include <exception>
}
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define VMGEN_API __attribute__((__visibility__("default")))

/* The library defines this to export a real function for every inline one. */
#ifndef VMGEN_INLINE
#define VMGEN_INLINE static inline
#endif

/* 32-bit ABIs align a uint64_t to four bytes; lock-free access wants eight. */
typedef uint64_t vmgen_word __attribute__((__aligned__(8)));

/*
 * A guard remembers the epoch that one piece of state belongs to: a PRNG, a
 * cache, a pool of identifiers.  Whatever lock protects the state protects the
 * guard.  Initialise it with VMGEN_GUARD_INIT or vmgen_guard_init(), and do not
 * look inside.
 */
typedef struct vmgen_guard {
	const vmgen_word *epoch;
	const vmgen_word *last;	/* the epoch that the reason is told against */
	uint32_t reason;
	uint32_t process;
	uint32_t flags;
} vmgen_guard;

/* Of a guard: what cannot be checked is no epoch that anything is made in. */
#define VMGEN_STRICT		1u

/* One epoch as vmgen_begin() or vmgen_once_begin() saw it.  0: the reseed failed. */
typedef uint64_t vmgen_epoch;

/* Why a guard has reported its last change: bits. */
#define VMGEN_REASON_FIRST	1u	/* first use, or vmgen_guard_init() */
#define VMGEN_REASON_RESTORE	2u	/* the generation has changed */
#define VMGEN_REASON_FORK	4u	/* a child that has not looked since fork() */
#define VMGEN_REASON_UNKNOWN	8u	/* the counter was replaced, is gone, or unchecked */

/*
 * A state that threads share, and that exactly one of them reseeds in each epoch.
 * Initialise it with VMGEN_ONCE_INIT or vmgen_once_init(), and do not look inside.
 */
typedef struct vmgen_once {
	vmgen_guard guard;
	vmgen_word owner;
	uint32_t turn;
	uint32_t waiting;
} vmgen_once;

/*
 * A value and the generation that it was made in, published and taken as one.  The
 * layout is for consumers outside of this machine, too: in the processor's byte order,
 * the generation plus one, or 0 when the slot is empty, and the value.
 */
typedef struct vmgen_slot {
	vmgen_word tag;
	vmgen_word value;
} __attribute__((__aligned__(16))) vmgen_slot;

#define VMGEN_SLOT_INIT { 0, 0 }

enum vmgen_status {
	VMGEN_ACTIVE = 0,	/* there is a counter, and it was just checked */
	VMGEN_NOTIFY_ONLY = 1,	/* changes are told late, and there is no counter */
	VMGEN_ABSENT = 2,	/* this machine has no counter, or it has vanished */
	VMGEN_DENIED = 3,	/* it has one that this process may not open */
	VMGEN_BROKEN = 4	/* it has one that cannot be trusted or checked */
};

/* The generation page is written by the hypervisor before any vCPU runs. */
#define VMGEN_INFO_HYPERVISOR		(UINT64_C(1) << 0)
/* The kernel's CRNG was ready, and was reseeded for this generation. */
#define VMGEN_INFO_CRNG_RESEEDED	(UINT64_C(1) << 1)
/* fork() starts a new epoch too. */
#define VMGEN_INFO_FORK			(UINT64_C(1) << 2)

/* Where the counter comes from. */
enum vmgen_backend {
	VMGEN_BACKEND_NONE = 0,
	VMGEN_BACKEND_VMGENCTR = 1,	/* /dev/vmgenctr */
	VMGEN_BACKEND_VMCLOCK = 2,	/* /dev/vmclock0 */
	VMGEN_BACKEND_SYSGENID = 3,	/* /dev/sysgenid */
	VMGEN_BACKEND_UEVENT = 4,	/* a uevent of vmgenid, and no counter */
	VMGEN_BACKEND_TEST = 5		/* vmgen_test_install() */
};

struct vmgen_info {
	uint64_t generation;
	uint64_t flags;
	uint8_t instance_id[16];
	uint32_t backend;	/* enum vmgen_backend */
	uint32_t reserved32;
	uint64_t reserved[3];
};

VMGEN_API int vmgen_open(void);
VMGEN_API int vmgen_seal(void);
VMGEN_API int vmgen_sync(struct vmgen_info *ret);
VMGEN_API enum vmgen_status vmgen_status(void);
VMGEN_API unsigned int vmgen_reason(const vmgen_guard *g);

/* Go on where libvmgen cannot verify that the kernel has reseeded, or finds no counter. */
#define VMGEN_UNVERIFIED	1u

VMGEN_API int vmgen_getrandom(void *buf, size_t size, unsigned int flags);
VMGEN_API ssize_t vmgen_write(const vmgen_guard *g, vmgen_epoch e, int fd,
			      const void *buf, size_t size);
VMGEN_API int vmgen_commit(const vmgen_guard *g, vmgen_epoch e, vmgen_slot *s,
			   uint64_t value);
VMGEN_API int vmgen_take(const vmgen_guard *g, vmgen_epoch e, vmgen_slot *s,
			 uint64_t *ret);

/* Waiting for a change: each watch has a file of its own, hence its own "seen". */
typedef struct vmgen_watch vmgen_watch;
typedef void vmgen_watch_fn(void *ctx, const struct vmgen_info *now);

VMGEN_API int vmgen_watch_new(vmgen_watch **ret);
VMGEN_API vmgen_watch *vmgen_watch_free(vmgen_watch *w);
VMGEN_API int vmgen_watch_fd(const vmgen_watch *w);
VMGEN_API int vmgen_watch_add(vmgen_watch *w, int order, vmgen_watch_fn *fn, void *ctx);
VMGEN_API int vmgen_watch_remove(vmgen_watch *w, vmgen_watch_fn *fn, void *ctx);
VMGEN_API int vmgen_watch_dispatch(vmgen_watch *w, struct vmgen_info *ret);
VMGEN_API int vmgen_watch_wait(vmgen_watch *w, int timeout_ms, struct vmgen_info *ret);

/* The rest of this file is what the inline functions need, and part of the ABI. */

/*
 * An epoch is a record: the generation that was current, plus one, in memory
 * that the kernel zeroes in the child of a fork.  A record is written once and
 * never used again for another epoch.  The records fill the last 4 KiB before
 * the mapped page that holds the live generation, VMGEN_STRIDE apart, each at
 * the offset that the live generation has in its page: setting the bits between
 * the two sizes and adding one stride leads from any record to the live word,
 * wherever a device keeps it.  "Plus one" sets a zeroed record apart from the
 * generation 0 of a device that has gone; the largest number, which it does not set
 * apart, is never taken for an epoch.
 */
#define VMGEN_STRIDE	0x80
#define VMGEN_RECORDS	0x1000

/*
 * vmgen_changed() reads three words: guard, record and live word.  They hold three facts
 * in three kinds of memory.  Which epoch the caller's state belongs to is in the caller's
 * memory, beside the state.  Whether this is still the process that entered the epoch is
 * in memory that the kernel zeroes at fork.  The generation is in a page that the
 * hypervisor writes.
 *
 * No two of them can share a word.  Fork leaves the hypervisor's page alone, and it can
 * zero private anonymous pages only, as a whole.  So a guard that is zeroed with its page
 * cannot be part of the object that it guards; the object then has a pointer to it, which
 * is the third read again.  What would be two reads is a static guard in a page of its
 * own, and a live word whose address the linker knows; position-independent code reads
 * that address from a table, and the devices keep the word at different offsets.  A guard
 * that holds the expected number itself, with a live word at a fixed address, is two reads
 * and misses every fork.
 */

/* A record that is never live: where guards start, so that first use is a change. */
VMGEN_API extern const vmgen_word vmgen_never[VMGEN_RECORDS / 8 + 1];

#define VMGEN_GUARD_INIT { vmgen_never, 0, 0, 0, 0 }
#define VMGEN_GUARD_STRICT_INIT { vmgen_never, 0, 0, 0, VMGEN_STRICT }
#define VMGEN_ONCE_INIT { VMGEN_GUARD_INIT, 0, 0, 0 }
#define VMGEN_ONCE_STRICT_INIT { VMGEN_GUARD_STRICT_INIT, 0, 0, 0 }

/* Cold: callers keep what follows a change out of the straight path. */
VMGEN_API __attribute__((__cold__)) bool vmgen_changed_slow(vmgen_guard *g);
VMGEN_API __attribute__((__cold__)) vmgen_epoch
vmgen_begin_slow(vmgen_guard *g, int (*reseed)(void *ctx), void *ctx);
VMGEN_API __attribute__((__cold__)) vmgen_epoch
vmgen_once_slow(vmgen_once *o, int (*reseed)(void *ctx), void *ctx);

/*
 * In C++ a reseed may throw.  The library, which is C, sees a reseed that has failed, and
 * the exception goes on from here: it would pass by what the library has to leave.  What
 * is no exception of C++, such as the end of a thread in glibc, nothing may catch for good.
 */
#if defined(__cplusplus) && __cplusplus >= 201103L && defined(__EXCEPTIONS)
extern "C++" {
struct vmgen_call {
	int (*reseed)(void *ctx);
	void *ctx;
	std::exception_ptr thrown;
};

static inline int vmgen_call_reseed(void *ctx)
{
	vmgen_call *call = static_cast<vmgen_call *>(ctx);

	try {
		return call->reseed(call->ctx);
	} catch (...) {
		call->thrown = std::current_exception();
		if (!call->thrown)
			throw;
		return -1;
	}
}

template <typename T> __attribute__((__cold__, __noinline__)) static vmgen_epoch
vmgen_slow(vmgen_epoch (*slow)(T *, int (*)(void *), void *), T *at,
	   int (*reseed)(void *ctx), void *ctx)
{
	vmgen_call call = { reseed, ctx, std::exception_ptr() };
	vmgen_epoch e = slow(at, vmgen_call_reseed, &call);

	if (call.thrown)
		std::rethrow_exception(call.thrown);
	return e;
}
}
#else
#define vmgen_slow(slow, at, reseed, ctx) slow(at, reseed, ctx)
#endif

static inline const vmgen_word *vmgen_live_word(const vmgen_word *record)
{
	return (const vmgen_word *)(((uintptr_t)record |
				     (VMGEN_RECORDS - VMGEN_STRIDE)) + VMGEN_STRIDE);
}

/*
 * A plain load folds into the compare.  The library zeroes records when it
 * changes to another device, while others may read them: harmless where eight
 * bytes do not tear, and spelled out for those who must know.
 */
static inline uint64_t vmgen_record(const vmgen_word *record)
{
#if defined(__SANITIZE_THREAD__) || UINTPTR_MAX < UINT64_MAX
	return __atomic_load_n(record, __ATOMIC_RELAXED);
#else
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
	return __atomic_load_n(record, __ATOMIC_RELAXED);
#endif
#endif
	return *record;
#endif
}

/* Make the next vmgen_changed() or vmgen_begin() report a change. */
VMGEN_INLINE void vmgen_guard_init(vmgen_guard *g)
{
	g->last = 0;
	g->reason = 0;
	g->process = 0;
	g->flags = 0;
	__atomic_store_n(&g->epoch, &vmgen_never[0], __ATOMIC_RELAXED);
}

/*
 * The same, and strict: vmgen_begin() returns 0, and reseeds nothing, where there is a
 * counter and it cannot be checked.
 */
VMGEN_INLINE void vmgen_guard_init_strict(vmgen_guard *g)
{
	vmgen_guard_init(g);
	g->flags = VMGEN_STRICT;
}

/*
 * The acquire load pairs with the driver's release store of the generation in
 * software mode; a hypervisor stores it while no virtual CPU runs.  No access to
 * the guarded state can be satisfied before it.
 */
static inline bool vmgen_is_live(const vmgen_word *record)
{
	return __atomic_load_n(vmgen_live_word(record), __ATOMIC_ACQUIRE) + 1 ==
	       vmgen_record(record);
}

VMGEN_INLINE bool vmgen_changed(vmgen_guard *g)
{
	const vmgen_word *record = __atomic_load_n(&g->epoch, __ATOMIC_RELAXED);

	if (__builtin_expect(vmgen_is_live(record), 1))
		return false;
	return vmgen_changed_slow(g);
}

VMGEN_INLINE vmgen_epoch vmgen_begin(vmgen_guard *g, int (*reseed)(void *ctx),
				     void *ctx)
{
	const vmgen_word *record = __atomic_load_n(&g->epoch, __ATOMIC_RELAXED);

	if (__builtin_expect(vmgen_is_live(record), 1))
		return (uintptr_t)record;
	return vmgen_slow(vmgen_begin_slow, g, reseed, ctx);
}

/*
 * A snapshot shows memory as of an instruction boundary, so what counts is the order
 * of instructions.  The first barrier keeps every store of the guarded section above
 * the check, the second keeps everything that publishes the result below it; both
 * pair with nothing but the compiler.  The fence orders the section's loads before
 * the check, and pairs with the release store of a driver that keeps the generation
 * itself and runs on another CPU.  The live word is loaded last, and what it must be
 * is known by then, because a restore between this load and the caller's point of no
 * return is one that nobody sees.
 */
VMGEN_INLINE bool vmgen_retry(const vmgen_guard *g, vmgen_epoch e)
{
	const vmgen_word *record = (const vmgen_word *)(uintptr_t)e;
	uint64_t expected, word;

	(void)g;
	if (!e)
		return true;
	__asm__ __volatile__("" : : : "memory");
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	expected = vmgen_record(record) - 1;
	word = __atomic_load_n(vmgen_live_word(record), __ATOMIC_RELAXED);
	__asm__ __volatile__("" : : : "memory");
	return __builtin_expect(word != expected, 0);
}

VMGEN_INLINE void vmgen_once_init(vmgen_once *o)
{
	vmgen_guard_init(&o->guard);
	o->owner = 0;
	o->turn = 0;
	o->waiting = 0;
}

/* As vmgen_guard_init_strict(). */
VMGEN_INLINE void vmgen_once_init_strict(vmgen_once *o)
{
	vmgen_once_init(o);
	o->guard.flags = VMGEN_STRICT;
}

/*
 * Acquire: pairs with the release store in vmgen_once_slow() by the thread that has
 * reseeded, so that the state is the one that was made for this epoch.
 */
VMGEN_INLINE vmgen_epoch vmgen_once_begin(vmgen_once *o, int (*reseed)(void *ctx),
					  void *ctx)
{
	const vmgen_word *record = __atomic_load_n(&o->guard.epoch, __ATOMIC_ACQUIRE);

	if (__builtin_expect(vmgen_is_live(record), 1))
		return (uintptr_t)record;
	return vmgen_slow(vmgen_once_slow, o, reseed, ctx);
}

VMGEN_INLINE bool vmgen_once_retry(const vmgen_once *o, vmgen_epoch e)
{
	return vmgen_retry(&o->guard, e);
}

#ifdef __cplusplus
}
#endif

#endif /* VMGEN_H */
