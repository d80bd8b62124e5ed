/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gio/gio.h>

#include "frames.h"
#include "point.h"

#define FRAMES_RESERVE 64		/* frames, at least, before the budget's end */
#define FRAMES_SPARE 1024		/* units, at least, until it stops */
#define PREFAULT 8192			/* of a request: the most that one of ours has */

#define relaxed(p) atomic_load_explicit(p, memory_order_relaxed)

static size_t book_bytes(void)
{
	return (sizeof(struct book) + PREFAULT - 1) & ~(size_t)(PREFAULT - 1);
}

static size_t noted_bytes(uint64_t frames)
{
	return (frames + 63) / 64 * 8;
}

static size_t total_bytes(uint64_t frames)
{
	return book_bytes() + BOOK_THREADS * (size_t)FRAMES_REQUEST +
	       noted_bytes(frames) + frames * sizeof(uint32_t);
}

/*
 * The kernel copies a request into memory that is there: a page that has to be found
 * first could fail in a thread that is being killed, and with it the request.
 */
static gboolean map_book(struct frames *fr, GError **error)
{
	size_t size = total_bytes(fr->count);
	int fd = memfd_create("vmfork-view", MFD_CLOEXEC);
	char *p = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, size) == 0)
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
			    "no memory for the index: %s", g_strerror(errno));
		return FALSE;
	}
	fr->book = (struct book *)p;
	fr->requests = p + book_bytes();
	fr->noted = (uint64_t *)(fr->requests + BOOK_THREADS * (size_t)FRAMES_REQUEST);
	fr->index = (_Atomic uint32_t *)((char *)fr->noted + noted_bytes(fr->count));
	for (unsigned int i = 0; i < BOOK_THREADS; i++)
		memset(frames_request(fr, i), 0, PREFAULT);
	return TRUE;
}

gboolean frames_create(struct frames *fr, const struct layout *l, const char *buffer,
		       uint64_t budget, GError **error)
{
	uint64_t page = l->page / LAYOUT_UNIT;

	fr->count = l->frames;
	fr->budget = budget / LAYOUT_UNIT;
	fr->reserve = MAX(FRAMES_RESERVE * page, fr->budget / 16);
	fr->spare = MAX(FRAMES_SPARE, FRAMES_RESERVE * page);
	fr->spill = memfd_create("vmfork-view-spare", MFD_CLOEXEC);
	fr->buffer = open(buffer, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fr->buffer < 0 || fr->spill < 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s: %s",
			    buffer, g_strerror(errno));
		return FALSE;
	}
	return map_book(fr, error);
}

void frames_destroy(struct frames *fr, const struct layout *l)
{
	if (fr->book)
		munmap(fr->book, total_bytes(l->frames));
	fr->book = NULL;
	close(fr->buffer);
	close(fr->spill);
}

static bool all_zero(const char *p, size_t size)
{
	uint64_t first;

	memcpy(&first, p, sizeof(first));
	return first == 0 && memcmp(p, p + sizeof(first), size - sizeof(first)) == 0;
}

static bool write_all(int fd, const char *data, size_t size, uint64_t at)
{
	while (size) {
		ssize_t n = pwrite(fd, data, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= n;
		at += n;
	}
	return true;
}

/* Units are taken from @used first and written then, as frames.h says why.  -1: none. */
static int64_t store(_Atomic uint64_t *used, uint64_t limit, int fd, const char *data,
		     size_t size)
{
	uint64_t first = relaxed(used), n = size / LAYOUT_UNIT;

	if (first + n > limit)
		return -1;
	atomic_store_explicit(used, first + n, memory_order_release);
	POINT("keep-units");
	if (write_all(fd, data, size, first * LAYOUT_UNIT))
		return first;
	atomic_store_explicit(used, first, memory_order_relaxed);
	return -1;
}

/* The slot of the first of the frames whose bytes are @data, or FRAMES_NONE. */
static uint32_t place(struct frames *fr, const char *data, size_t size)
{
	uint64_t limit = fr->budget ? fr->budget + fr->spare : FRAMES_SPILL - 1;
	int64_t unit = store(&fr->book->units, limit, fr->buffer, data, size);

	if (unit >= 0)
		return unit + 1;
	unit = store(&fr->book->spilled, fr->spare, fr->spill, data, size);
	return unit < 0 ? FRAMES_NONE : FRAMES_SPILL + unit;
}

static void publish(struct frames *fr, uint64_t frame, uint32_t slot)
{
	/* Pairs with the acquire of frames_slot(). */
	atomic_store_explicit(&fr->index[frame], slot, memory_order_release);
	atomic_fetch_add_explicit(slot == FRAMES_ZERO ? &fr->book->zero : &fr->book->kept,
				  1, memory_order_relaxed);
}

static size_t same(const char *data, size_t n, size_t page, bool zero)
{
	size_t i;

	for (i = 0; i < n && all_zero(data + i * page, page) == zero; i++)
		;
	return i;
}

/* The first frames that are all zero, or all not.  How many, or -ENOSPC. */
static ssize_t keep_some(struct frames *fr, uint64_t frame, size_t n, const char *data,
			 size_t page)
{
	bool zero = all_zero(data, page);
	size_t some = same(data, n, page, zero);
	uint32_t slot = zero ? FRAMES_ZERO : place(fr, data, some * page);

	if (slot == FRAMES_NONE)
		return -ENOSPC;
	POINT("keep-bytes");
	for (size_t i = 0; i < some; i++)
		publish(fr, frame + i, zero ? slot : slot + i * (page / LAYOUT_UNIT));
	return some;
}

int frames_keep(struct frames *fr, uint64_t frame, size_t n, const char *data,
		size_t page)
{
	while (n) {
		ssize_t some = keep_some(fr, frame, n, data, page);

		if (some < 0)
			return some;
		frame += some;
		n -= some;
		data += some * page;
	}
	/* The slots are to be seen before the frames change; see frames.h. */
	atomic_thread_fence(memory_order_seq_cst);
	POINT("keep-index");
	return 0;
}

static int read_all(int fd, char *buf, size_t size, uint64_t at)
{
	while (size) {
		ssize_t n = pread(fd, buf, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		buf += n;
		size -= n;
		at += n;
	}
	return 0;
}

int frames_fetch(const struct frames *fr, uint32_t slot, size_t at, char *buf,
		 size_t size)
{
	if (slot == FRAMES_ZERO) {
		memset(buf, 0, size);
		return 0;
	}
	if (slot >= FRAMES_SPILL)
		return read_all(fr->spill, buf, size,
				(uint64_t)(slot - FRAMES_SPILL) * LAYOUT_UNIT + at);
	return read_all(fr->buffer, buf, size, (uint64_t)(slot - 1) * LAYOUT_UNIT + at);
}

bool frames_full(const struct frames *fr)
{
	return relaxed(&fr->book->spilled) ||
	       (fr->budget && relaxed(&fr->book->units) + fr->reserve > fr->budget);
}

bool frames_over(const struct frames *fr)
{
	return relaxed(&fr->book->spilled) ||
	       (fr->budget && relaxed(&fr->book->units) > fr->budget);
}

uint64_t frames_bytes(const struct frames *fr)
{
	return (relaxed(&fr->book->units) + relaxed(&fr->book->spilled)) * LAYOUT_UNIT;
}

void frames_reset(struct frames *fr)
{
	memset((void *)fr->index, 0, fr->count * sizeof(*fr->index));
	fr->book->units = fr->book->spilled = fr->book->kept = fr->book->zero = 0;
}

void frames_recount(struct frames *fr)
{
	uint64_t kept = 0, zero = 0;

	for (uint64_t i = 0; i < fr->count; i++) {
		uint32_t slot = relaxed(&fr->index[i]);

		kept += slot != FRAMES_NONE && slot != FRAMES_ZERO;
		zero += slot == FRAMES_ZERO;
	}
	fr->book->kept = kept;
	fr->book->zero = zero;
}
