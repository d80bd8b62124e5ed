/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Records: one for each epoch of a source, see vmgen.h.  A record is never used
 * twice, because a guard that has slept since its first use would then take the
 * new epoch for its own.
 */
#include "lib.h"

/*
 * Of no epoch, as is the 0 of fork().  That matches a page of nothing but ones, which is
 * what hardware reads as when it has gone, just when its records are retired.
 */
#define RETIRED		UINT64_C(0x7e4d72657469a1ed)

static uint32_t record_limit(const struct source *s)
{
	return s->pairs * VMGEN_PAGE_RECORDS;
}

/* The records of a page are at its end, before a mapping of the generation page. */
static vmgen_word *record_at(const struct source *s, uint32_t i)
{
	size_t pair = i / VMGEN_PAGE_RECORDS * 2 * vmgen_page_size();

	return (vmgen_word *)(s->generation + pair - VMGEN_RECORDS +
			      i % VMGEN_PAGE_RECORDS * VMGEN_STRIDE + s->ops->word);
}

static uint32_t record_index(const struct source *s, const vmgen_word *record)
{
	size_t pair = (size_t)((const char *)record - (const char *)s) /
		      (2 * vmgen_page_size());

	/* Behind the source's own page, a page of records is each pair's first. */
	return (uint32_t)(pair * VMGEN_PAGE_RECORDS +
			  (uintptr_t)record % VMGEN_RECORDS / VMGEN_STRIDE);
}

static vmgen_word *record_claim(struct source *s)
{
	uint32_t i = __atomic_load_n(&s->used, __ATOMIC_RELAXED);

	while (i < record_limit(s))
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
	__atomic_store_n(&s->words[record_index(s, record)], word, __ATOMIC_RELAXED);
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
	       __atomic_load_n(&s->used, __ATOMIC_RELAXED) < record_limit(s);
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

/* What the live word was, also after the record itself is zero. */
uint64_t vmgen_record_word(const vmgen_word *record)
{
	const struct source *s = vmgen_frame_of(record);

	return __atomic_load_n(&s->words[record_index(s, record)], __ATOMIC_RELAXED);
}

/*
 * A record that is handed out from now on is not among them: whoever writes it looks
 * whether the source is still current.
 */
static void records_set(struct source *s, uint64_t value)
{
	uint32_t i, used = __atomic_load_n(&s->used, __ATOMIC_SEQ_CST);

	for (i = 0; i < used; i++)
		__atomic_store_n(record_at(s, i), value, __ATOMIC_SEQ_CST);
}

/* Make every guard that has seen an epoch of this source see a change. */
void vmgen_record_retire(struct source *s)
{
	records_set(s, RETIRED);
}

/* What the kernel does in the child of a fork, if it can. */
void vmgen_record_forget(struct source *s)
{
	records_set(s, 0);
}
