/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Write after read: a frame that was not kept when we looked may have been kept, let go
 * and written while we read the memory.  So the index is looked at, the memory read, and
 * the index looked at again; a frame that is kept by then is taken from the buffer.  The
 * acquire fence between the read and the second look pairs with the full fence of
 * frames_keep(): if the read saw a byte of later, the second look sees the slot.
 *
 * The same way, around all of it, for the source (a rebase) and the state (a drop).
 */
#include <errno.h>
#include <unistd.h>

#include "point.h"
#include "ram.h"

static bool follows(uint32_t first, uint32_t slot, uint64_t units)
{
	if (first == FRAMES_NONE || first == FRAMES_ZERO)
		return slot == first;
	return slot == first + units && slot != FRAMES_ZERO &&
	       (slot >= FRAMES_SPILL) == (first >= FRAMES_SPILL);
}

/* Bytes from @offset on, at most @size, that one read gets: all not kept, or in a row. */
static size_t run(const struct frames *fr, const struct layout_block *b, uint64_t offset,
		  uint32_t first, size_t size)
{
	uint64_t frame = layout_frame(b, offset), n = 1;
	uint64_t left = b->page - (offset - b->offset) % b->page;

	while (left < size &&
	       follows(first, frames_slot(fr, frame + n), n * b->page / LAYOUT_UNIT)) {
		left += b->page;
		n++;
	}
	return left < size ? left : size;
}

static size_t within(const struct layout_block *b, uint64_t offset)
{
	return (offset - b->offset) % b->page;
}

/* What was kept while we read. */
static int second_look(const struct view *v, const struct layout_block *b,
		       uint64_t offset, char *buf, size_t size)
{
	size_t piece;

	for (; size; offset += piece, buf += piece, size -= piece) {
		uint32_t slot = frames_slot(&v->frames, layout_frame(b, offset));
		int r = 0;

		piece = MIN(b->page - within(b, offset), size);
		if (slot != FRAMES_NONE)
			r = frames_fetch(&v->frames, slot, within(b, offset), buf, piece);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_run(const struct view *v, uint32_t source, const struct layout_block *b,
		    uint64_t offset, uint32_t slot, char *buf, size_t size)
{
	int r;

	if (slot != FRAMES_NONE)
		return frames_fetch(&v->frames, slot, within(b, offset), buf, size);
	POINT("read-index");
	r = source_read(&v->source, source, b, offset, buf, size);
	if (r < 0)
		return r;
	POINT("read-memory");
	/* Pairs with the fence of frames_keep(). */
	atomic_thread_fence(memory_order_acquire);
	return second_look(v, b, offset, buf, size);
}

static int read_all(const struct view *v, uint32_t source, uint64_t offset, char *buf,
		    size_t size)
{
	while (size) {
		const struct layout_block *b = layout_at(&v->plan.layout, offset);
		uint32_t slot = frames_slot(&v->frames, layout_frame(b, offset));
		size_t piece = MIN(size, layout_end(b) - offset);
		int r;

		piece = run(&v->frames, b, offset, slot, piece);
		r = read_run(v, source, b, offset, slot, buf, piece);
		if (r < 0)
			return r;
		offset += piece;
		buf += piece;
		size -= piece;
	}
	return 0;
}

int ram_read(const struct view *v, uint64_t offset, char *buf, size_t size)
{
	uint32_t source;
	int r;

	if (view_state(v) < BOOK_FROZEN)
		return -EAGAIN;
	do {
		source = source_now(&v->source);
		r = read_all(v, source, offset, buf, size);
		/* Pairs with the fences of faults_rebase() and faults_drop(). */
		atomic_thread_fence(memory_order_acquire);
	} while (source_now(&v->source) != source);
	return view_state(v) == BOOK_DROPPED ? -EIO : r;
}

/* The first frame of [offset, end) that is kept otherwise than it looks there. */
static uint64_t other(const struct view *v, uint64_t offset, uint64_t end, bool zero)
{
	while (offset < end) {
		const struct layout_block *b = layout_at(&v->plan.layout, offset);
		uint64_t frame = layout_frame(b, offset);
		uint32_t slot = frames_slot(&v->frames, frame);

		if (slot != FRAMES_NONE && (slot == FRAMES_ZERO) == zero)
			return offset;
		offset = layout_offset(b, frame + 1);
	}
	return end;
}

static uint64_t next_frame(const struct layout_block *b, uint64_t offset)
{
	return layout_offset(b, layout_frame(b, offset) + 1);
}

/* Data is what is kept and not zero, and what the source has and is not kept. */
static int64_t seek_data(const struct view *v, uint32_t source, uint64_t offset)
{
	while (offset < v->plan.layout.size) {
		int64_t at = source_seek(&v->source, source, offset, SEEK_DATA);
		uint64_t end = at >= 0 ? (uint64_t)at : v->plan.layout.size;
		uint64_t kept = other(v, offset, end, false);
		const struct layout_block *b;

		if (at < 0 && at != -ENXIO)
			return at;
		if (kept < end || end == v->plan.layout.size)
			return kept < end ? (int64_t)kept : -ENXIO;
		b = layout_at(&v->plan.layout, end);
		if (frames_slot(&v->frames, layout_frame(b, end)) != FRAMES_ZERO)
			return end;
		offset = next_frame(b, end);
	}
	return -ENXIO;
}

static int64_t seek_hole(const struct view *v, uint32_t source, uint64_t offset)
{
	while (offset < v->plan.layout.size) {
		int64_t at = source_seek(&v->source, source, offset, SEEK_HOLE);
		const struct layout_block *b;
		uint64_t zero;
		uint32_t slot;

		if (at < 0)
			return at;
		zero = other(v, offset, at, true);
		if (zero < (uint64_t)at || (uint64_t)at >= v->plan.layout.size)
			return zero;
		b = layout_at(&v->plan.layout, at);
		slot = frames_slot(&v->frames, layout_frame(b, at));
		if (slot == FRAMES_NONE || slot == FRAMES_ZERO)
			return at;
		offset = next_frame(b, at);
	}
	return v->plan.layout.size;
}

int64_t ram_seek(const struct view *v, uint64_t offset, int whence)
{
	uint32_t state = view_state(v);

	if (state != BOOK_FROZEN)
		return state == BOOK_DROPPED ? -EIO : -EAGAIN;
	if (offset >= v->plan.layout.size)
		return -ENXIO;
	return whence == SEEK_DATA ? seek_data(v, source_now(&v->source), offset) :
				     seek_hole(v, source_now(&v->source), offset);
}
