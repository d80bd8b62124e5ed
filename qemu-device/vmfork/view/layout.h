/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where RAM is: blocks one after the other make up the file "ram".  A frame is a page of
 * its block, so that frames of different blocks may differ in size.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdint.h>

#include <json-glib/json-glib.h>

#define LAYOUT_UNIT 4096u		/* the smallest frame; slots are counted in it */
#define LAYOUT_PAGE_MAX (32u << 20)
#define LAYOUT_BLOCKS_MAX 256
#define LAYOUT_RANGES_MAX 4096

struct layout_block {
	uint64_t size, page;
	uint64_t host;			/* its address in QEMU */
	uint64_t fd_offset;
	uint64_t offset;		/* in "ram" */
	uint64_t frame;			/* number of its first frame */
	int fd;				/* -1: no memory is behind it */
};

/* Where the guest sees it; offset counts in "ram". */
struct layout_range {
	uint64_t address, offset, size;
};

struct layout {
	struct layout_block *blocks;
	struct layout_range *ranges;
	size_t n_blocks, n_ranges;
	uint64_t size, frames, page;	/* page: the largest of all blocks */
};

/* Blocks with or without descriptors of their memory. */
gboolean layout_parse(struct layout *l, JsonArray *blocks, gboolean memory,
		      GError **error);
/* One block of pages that no guest-physical range is known of. */
gboolean layout_plain(struct layout *l, uint64_t size, GError **error);
void layout_clear(struct layout *l);

const struct layout_block *layout_at(const struct layout *l, uint64_t offset);
const struct layout_block *layout_host(const struct layout *l, uint64_t host);

static inline uint64_t layout_end(const struct layout_block *b)
{
	return b->offset + b->size;
}

static inline uint64_t layout_frame(const struct layout_block *b, uint64_t offset)
{
	return b->frame + (offset - b->offset) / b->page;
}

/* Where a frame begins in "ram". */
static inline uint64_t layout_offset(const struct layout_block *b, uint64_t frame)
{
	return b->offset + (frame - b->frame) * b->page;
}

#endif /* LAYOUT_H */
