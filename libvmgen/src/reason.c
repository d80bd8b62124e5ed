/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Why a guard is not in the live epoch: what has happened since it was in one. */
#include "lib.h"

/* Of a change that was seen, and whose reseed has not succeeded yet. */
static uint32_t pending(const vmgen_guard *g)
{
	if (g->epoch != vmgen_never || g->last == VMGEN_UNCHECKED)
		return 0;
	return g->reason;
}

static uint32_t compare(const vmgen_word *last, const vmgen_word *record)
{
	if (!record || last == VMGEN_UNCHECKED ||
	    !vmgen_source_alike(vmgen_frame_of(last), vmgen_frame_of(record)))
		return VMGEN_REASON_UNKNOWN;
	if (vmgen_record_word(last) != vmgen_record_word(record))
		return VMGEN_REASON_RESTORE;
	return 0;
}

/*
 * @g is about to enter the epoch of @record, or one that could not be checked, which
 * is NULL.  A guard that saw nothing before is the only one without a reason.
 */
void vmgen_reason_note(vmgen_guard *g, const vmgen_word *record)
{
	uint32_t process = vmgen_process();
	uint32_t reason = pending(g);

	if (!g->last && !g->reason)
		reason |= VMGEN_REASON_FIRST;
	else if (process != g->process)
		reason |= VMGEN_REASON_FORK;
	if (g->last || !record)
		reason |= compare(g->last, record);
	g->reason = reason ? reason : VMGEN_REASON_UNKNOWN;
	g->process = process;
	if (record)
		g->last = record;
}

unsigned int vmgen_reason(const vmgen_guard *g)
{
	return g->reason;
}
