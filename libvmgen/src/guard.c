/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a guard does when its epoch is not the live one. */
#include "lib.h"

const vmgen_word vmgen_never[VMGEN_RECORDS / 8 + 1]
	__attribute__((__aligned__(VMGEN_RECORDS))) = { [VMGEN_STRIDE / 8] = 1 };

/* A process that runs out of records in every attempt forks or is restored as fast. */
#define EPOCH_TRIES	4

/*
 * What vmgen_source_check() says, and the record of the epoch that the kernel is ready
 * for: NULL if that could not be found out.  A machine without any counter has an epoch,
 * too, which fork() ends.
 */
int vmgen_epoch_read(struct reading *now, const vmgen_word **ret)
{
	int i, r;

	*ret = NULL;
	for (i = 0; i < EPOCH_TRIES; i++) {
		r = vmgen_source_check(now);
		if (r < 0 && (!now->source || !now->source->ops->blind))
			return r;
		*ret = vmgen_record_get(now->source, now->word);
		if (*ret)
			return r;
		if (now->source != vmgen_source_current())
			continue;
		if (vmgen_source_extend(now->source) < 0)
			return -ENOSPC;
	}
	return -EIO;
}

/* For a signal handler's sake, errno is as it was. */
static int epoch_now(const vmgen_word **ret)
{
	struct reading now;
	int saved = errno, r;

	r = vmgen_epoch_read(&now, ret);
	errno = saved;
	return r;
}

/* Release: whoever sees the guard in its new epoch sees the state made for it. */
static void guard_set(vmgen_guard *g, const vmgen_word *record)
{
	__atomic_store_n(&g->epoch, record, __ATOMIC_RELEASE);
}

/* In an epoch that ends at once. */
static void guard_unchecked(vmgen_guard *g)
{
	g->last = VMGEN_UNCHECKED;
	guard_set(g, vmgen_never);
}

/* Conservative: what could not be checked has changed, the next time too. */
bool vmgen_changed_slow(vmgen_guard *g)
{
	const vmgen_word *record;

	(void)epoch_now(&record);
	vmgen_reason_note(g, record);
	if (record)
		guard_set(g, record);
	else
		guard_unchecked(g);
	return true;
}

/* There is a counter that cannot be checked, and this guard needs the check. */
static bool is_refused(const vmgen_guard *g, const vmgen_word *record, int error)
{
	return !record && (g->flags & VMGEN_STRICT) && !vmgen_is_absent(error);
}

/*
 * The epoch is taken before the reseed fetches entropy, so a change meanwhile is
 * seen below.  The guard enters it only afterwards, so a reseed that fails, or
 * leaves by longjmp(), an exception or thread cancellation, is not taken for done.
 * Every round but the first is a restore or a fork that happened during a reseed,
 * which is what makes this end.  The release fence pairs with the acquire fence in
 * vmgen_retry() of a thread that reads the state meanwhile: if it has seen anything
 * of the new state, it sees that its own epoch is over.
 */
vmgen_epoch vmgen_begin_slow(vmgen_guard *g, int (*reseed)(void *ctx), void *ctx)
{
	const vmgen_word *record;
	int r;

	do {
		r = epoch_now(&record);
		vmgen_reason_note(g, record);
		guard_set(g, vmgen_never);
		if (is_refused(g, record, r))
			return 0;
		__atomic_thread_fence(__ATOMIC_RELEASE);
		if (reseed(ctx) < 0)
			return 0;
		if (!record) {
			guard_unchecked(g);
			return (uintptr_t)VMGEN_UNCHECKED;
		}
	} while (!vmgen_is_live(record));
	guard_set(g, record);
	return (uintptr_t)record;
}
