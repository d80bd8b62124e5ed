/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The two pages, read as untrusted input.  A writer that never finishes must not
 * hang a reader: after SEQ_TRIES the caller is told and asks the kernel instead.
 */
#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include <linux/vmgenctr.h>

#include "lib.h"

#define SEQ_TRIES	64

static uint32_t load32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static uint64_t load64(const void *p)
{
	return __atomic_load_n((const vmgen_word *)p, __ATOMIC_RELAXED);
}

/* Pairs with the writer's store of an odd count before it touches a field. */
static uint32_t seq_begin(const uint32_t *seq)
{
	return __atomic_load_n(seq, __ATOMIC_ACQUIRE);
}

/* Pairs with the writer's release store of the even count behind the last field. */
static bool seq_retry(const uint32_t *seq, uint32_t start)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return load32(seq) != start;
}

static bool generation_valid(const struct vmgenctr_generation_page *p)
{
	return le32toh(load32(&p->magic)) == VMGENCTR_GENERATION_MAGIC &&
	       le32toh(load32(&p->size)) >= VMGENCTR_GENERATION_SIZE &&
	       le32toh(load32(&p->size)) <= vmgen_page_size() &&
	       le16toh(__atomic_load_n(&p->version, __ATOMIC_RELAXED)) ==
	       VMGENCTR_VERSION;
}

/* 0, -EAGAIN: the writer is still at work, -EBADMSG: this is no such page */
int vmgen_page_generation(const struct vmgenctr_generation_page *p, struct page *ret)
{
	struct page page;
	uint32_t seq;
	int i;

	if (!generation_valid(p))
		return -EBADMSG;
	for (i = 0; i < SEQ_TRIES; i++) {
		seq = seq_begin(&p->seq_count);
		if (le32toh(seq) & 1)
			continue;
		page.flags = le64toh(load64(&p->flags));
		page.generation = le64toh(load64(&p->generation));
		if (!seq_retry(&p->seq_count, seq)) {
			*ret = page;
			return 0;
		}
	}
	return -EAGAIN;
}

static bool status_valid(const struct vmgenctr_status_page *p)
{
	return load32(&p->magic) == VMGENCTR_STATUS_MAGIC &&
	       load32(&p->size) >= sizeof(*p) &&
	       load32(&p->size) <= vmgen_page_size() &&
	       __atomic_load_n(&p->version, __ATOMIC_RELAXED) == VMGENCTR_VERSION;
}

static void copy_id(uint8_t dst[16], const uint8_t *src)
{
	int i;

	for (i = 0; i < 16; i++)
		dst[i] = __atomic_load_n(&src[i], __ATOMIC_RELAXED);
}

/*
 * Does the page say that the kernel has reseeded for @generation?  0: yes, and
 * *ret is filled; -EAGAIN: it does not say so, ask the kernel; -EBADMSG.
 */
int vmgen_page_status(const struct vmgenctr_status_page *p, uint64_t generation,
		      struct vmgen_info *ret)
{
	uint8_t id[16];
	uint32_t seq;
	bool ready;

	if (!status_valid(p))
		return -EBADMSG;
	seq = seq_begin(&p->seq_count);
	if (seq & 1)
		return -EAGAIN;
	ready = load64(&p->ready_generation) == generation &&
		(load64(&p->flags) & VMGENCTR_STATUS_F_CRNG_RESEEDED);
	copy_id(id, p->instance_id);
	if (seq_retry(&p->seq_count, seq) || !ready)
		return -EAGAIN;
	ret->generation = generation;
	ret->flags = VMGEN_INFO_CRNG_RESEEDED;
	memcpy(ret->instance_id, id, sizeof(id));
	return 0;
}
