/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a guard does when its epoch is not the live one. */
#include "lib.h"

const vmgen_word vmgen_never[VMGEN_RECORDS / 8 + 1]
	__attribute__((__aligned__(VMGEN_RECORDS))) = { [VMGEN_STRIDE / 8] = 1 };

/* A process that runs out of records in every attempt forks or is restored as fast. */
#define EPOCH_TRIES	4

/*
 * The record of an epoch that the kernel is ready for.  NULL if that could not be
 * found out; a machine without any counter has one epoch, which only fork() ends.
 */
static const vmgen_word *epoch_try(void)
{
	const vmgen_word *record;
	struct reading now;
	int i, r;

	for (i = 0; i < EPOCH_TRIES; i++) {
		r = vmgen_source_sync(&now);
		if (r < 0 && (!now.source || !now.source->ops->blind))
			return NULL;
		record = vmgen_record_get(now.source, now.word);
		if (record)
			return record;
		if (now.source == vmgen_source_current() &&
		    vmgen_source_renew(now.source) < 0)
			return NULL;
	}
	return NULL;
}

/* For a signal handler's sake, errno is as it was. */
static const vmgen_word *epoch_now(void)
{
	int saved = errno;
	const vmgen_word *record = epoch_try();

	errno = saved;
	return record;
}

/* Release: whoever sees the guard in its new epoch sees the state made for it. */
static void guard_set(vmgen_guard *g, const vmgen_word *record)
{
	__atomic_store_n(&g->epoch, record, __ATOMIC_RELEASE);
}

/* Conservative: what could not be checked has changed, the next time too. */
bool vmgen_changed_slow(vmgen_guard *g)
{
	const vmgen_word *record = epoch_now();

	vmgen_reason_note(g, record);
	if (!record)
		g->last = VMGEN_UNCHECKED;
	guard_set(g, record ? record : vmgen_never);
	return true;
}

/*
 * The epoch is taken before the reseed fetches entropy, so a change meanwhile is
 * seen below.  The guard enters it only afterwards, so a reseed that fails, or
 * leaves by longjmp(), an exception or thread cancellation, is not taken for done.
 * Every round but the first is a restore or a fork that happened during a reseed,
 * which is what makes this end.
 */
vmgen_epoch vmgen_begin_slow(vmgen_guard *g, int (*reseed)(void *ctx), void *ctx)
{
	const vmgen_word *record;

	do {
		record = epoch_now();
		vmgen_reason_note(g, record);
		guard_set(g, vmgen_never);
		if (reseed(ctx) < 0)
			return 0;
		if (!record) {
			g->last = VMGEN_UNCHECKED;
			return (uintptr_t)VMGEN_UNCHECKED;
		}
	} while (!vmgen_is_live(record));
	guard_set(g, record);
	return (uintptr_t)record;
}
