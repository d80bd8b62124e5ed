/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Records: one for each epoch of a source, see vmgen.h.  A record is never used
 * twice, because a guard that has slept since its first use would then take the
 * new epoch for its own.
 */
#include "lib.h"

#define RECORDS		(VMGEN_RECORDS / VMGEN_STRIDE)
/*
 * Of no epoch, as is the 0 of fork().  That matches a page of nothing but ones, which is
 * what hardware reads as when it has gone, just when its records are retired.
 */
#define RETIRED		UINT64_C(0x7e4d72657469a1ed)

static vmgen_word *record_at(const struct source *s, uint32_t i)
{
	return (vmgen_word *)(s->generation - VMGEN_RECORDS + i * VMGEN_STRIDE +
			      s->ops->word);
}

static uint32_t record_index(const vmgen_word *record)
{
	return (uint32_t)((uintptr_t)record % VMGEN_RECORDS / VMGEN_STRIDE);
}

static vmgen_word *record_claim(struct source *s)
{
	uint32_t i = __atomic_load_n(&s->used, __ATOMIC_RELAXED);

	while (i < RECORDS)
		if (__atomic_compare_exchange_n(&s->used, &i, i + 1, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return record_at(s, i);
	return NULL;
}

/*
 * Sequentially consistent, as are the stores in vmgen_record_retire() and the
 * change of the current source before it: either this side sees that the source
 * is no longer current, or that side retires what was written here.
 */
static bool record_write(struct source *s, vmgen_word *record, uint64_t word)
{
	__atomic_store_n(&s->words[record_index(record)], word, __ATOMIC_RELAXED);
	__atomic_store_n(record, word + 1, __ATOMIC_SEQ_CST);
	if (vmgen_source_current() == s)
		return true;
	__atomic_store_n(record, RETIRED, __ATOMIC_SEQ_CST);
	return false;
}

static bool is_record_of(const vmgen_word *record, uint64_t word)
{
	return record && __atomic_load_n(record, __ATOMIC_RELAXED) == word + 1;
}

/* Would vmgen_record_get() return one? */
bool vmgen_record_room(const struct source *s, uint64_t word)
{
	return is_record_of(__atomic_load_n(&s->live, __ATOMIC_ACQUIRE), word) ||
	       __atomic_load_n(&s->used, __ATOMIC_RELAXED) < RECORDS;
}

/*
 * The record for the epoch in which the live word is @word, raw as in the page.
 * NULL: there is none left, or the source was replaced.  In the child of a fork
 * the newest record is zero, hence a new one is taken.
 */
const vmgen_word *vmgen_record_get(struct source *s, uint64_t word)
{
	vmgen_word *live = __atomic_load_n(&s->live, __ATOMIC_ACQUIRE);
	vmgen_word *record;

	if (is_record_of(live, word))
		return live;
	record = record_claim(s);
	if (!record || !record_write(s, record, word))
		return NULL;
	/* Losing to another thread costs a record and nothing else. */
	__atomic_compare_exchange_n(&s->live, &live, record, false,
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	return record;
}

/* Of any record but those of vmgen_never. */
const struct source *vmgen_record_source(const vmgen_word *record)
{
	size_t page = vmgen_page_size();

	return (const struct source *)(((uintptr_t)record & ~(page - 1)) - page);
}

/* What the live word was, also after the record itself is zero. */
uint64_t vmgen_record_word(const vmgen_word *record)
{
	const struct source *s = vmgen_record_source(record);

	return __atomic_load_n(&s->words[record_index(record)], __ATOMIC_RELAXED);
}

/* Make every guard that has seen an epoch of this source see a change. */
void vmgen_record_retire(struct source *s)
{
	uint32_t i;

	for (i = 0; i < RECORDS; i++)
		__atomic_store_n(record_at(s, i), RETIRED, __ATOMIC_SEQ_CST);
}
