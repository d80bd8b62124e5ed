/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where the bytes of a frame are that is not kept: the memory of the machine, read by
 * pread() so that a hole stays one; or the "ram" of a lower view, or a finished file.
 *
 * A view changes from the first to the second when it is rebased.  book->source says
 * which it is; a reader looks at it before and after (ram.c), as it does at the index.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include "book.h"
#include "layout.h"

struct source {
	struct book *book;
	const struct layout *layout;
	_Atomic int lower;		/* -1: none */
};

static inline uint32_t source_now(const struct source *s)
{
	/* Pairs with the store of faults_rebase(): the descriptor is there. */
	return atomic_load_explicit(&s->book->source, memory_order_acquire);
}

/* Takes @fd.  Asked again, the number stays: readers may be using it. */
void source_set_lower(struct source *s, int fd);

/* From @offset of "ram", all in block @b.  0 or -errno. */
int source_read(const struct source *s, uint32_t now, const struct layout_block *b,
		uint64_t offset, char *buf, size_t size);

/* lseek() of "ram" for SEEK_DATA or SEEK_HOLE.  -ENXIO: no data from there on. */
int64_t source_seek(const struct source *s, uint32_t now, uint64_t offset, int whence);

/* How much room the memory takes, in blocks of 512 bytes. */
uint64_t source_blocks(const struct source *s);

#endif /* SOURCE_H */
