/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Frames that are kept: the index says for each whether it is and where, the buffer has
 * the bytes.
 *
 * One thread keeps (the holder of faults.lock), many read.  The order of keeping:
 *
 *	1. take units of the buffer (book->units)
 *	2. write the bytes there
 *	3. store the slot in the index, with release
 *	4. full fence
 *	5. only then the frame is unprotected, and may change
 *
 * A reader looks at the index, reads memory if the frame is not kept, and looks again
 * after an acquire fence (ram.c).  If it read bytes of after 5, its second look is after
 * 3 and sees the slot.  The release of 3 pairs with the acquire of frames_slot(): the one
 * that sees a slot sees the bytes.  The fence 4 keeps the store of 3 before the store to
 * the page table that the kernel does for 5; a release alone orders nothing after it.
 *
 * Killed between 1 and 3: the units are lost, the frame is still protected, its fault is
 * raised again and the frame is kept elsewhere.  (1 after 3 would let the next worker
 * give the same units away twice.)  Killed between 3 and 5: the fault is raised again,
 * the frame is kept already, 5 follows.
 *
 * Room: the budget counts the bytes of the buffer.  frames_full() is true from a reserve
 * before its end, and from the first byte that the disk did not take; frames_keep() goes
 * on all the same, into a spare of memory when the disk takes nothing, until that is full
 * as well.  What to do about it is the faults' part.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "book.h"
#include "layout.h"

#define FRAMES_NONE 0u			/* not kept */
#define FRAMES_ZERO UINT32_MAX		/* kept, all zero */
#define FRAMES_SPILL (UINT32_MAX - (1u << 24))	/* from here: slots of the spare */

#define FRAMES_REQUEST ((1u << 20) + 65536u)	/* the largest that a FUSE thread reads */

struct frames {
	struct book *book;
	char *requests;
	uint64_t *noted;		/* a bit a frame; the holder of faults.lock's */
	_Atomic uint32_t *index;
	uint64_t count;
	int buffer, spill;
	uint64_t budget;		/* in units; 0: none */
	uint64_t reserve, spare;	/* in units */
};

gboolean frames_create(struct frames *fr, const struct layout *l, const char *buffer,
		       uint64_t budget, GError **error);
void frames_destroy(struct frames *fr, const struct layout *l);

/* One request of FUSE thread @i. */
static inline char *frames_request(const struct frames *fr, unsigned int i)
{
	return fr->requests + (size_t)i * FRAMES_REQUEST;
}

static inline uint32_t frames_slot(const struct frames *fr, uint64_t frame)
{
	/* Pairs with the release of publish(). */
	return atomic_load_explicit(&fr->index[frame], memory_order_acquire);
}

/* Keep @n frames of @page bytes from @frame on.  0 or -ENOSPC. */
int frames_keep(struct frames *fr, uint64_t frame, size_t n, const char *data,
		size_t page);

/* Bytes of a kept frame, from @at within it.  0 or -errno. */
int frames_fetch(const struct frames *fr, uint32_t slot, size_t at, char *buf,
		 size_t size);

bool frames_full(const struct frames *fr);
/* More is kept than the budget allows for. */
bool frames_over(const struct frames *fr);
uint64_t frames_bytes(const struct frames *fr);

/* Forget all that was kept: only before the view exists. */
void frames_reset(struct frames *fr);
/* After a worker died: what it may not have counted. */
void frames_recount(struct frames *fr);

#endif /* FRAMES_H */
