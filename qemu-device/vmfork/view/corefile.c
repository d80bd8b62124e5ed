/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core.h"
#include "corefile.h"
#include "ram.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct core *built;

static int read_ram(void *view, uint64_t offset, void *buf, size_t size)
{
	const struct view *v = view;

	if (offset > v->plan.layout.size || size > v->plan.layout.size - offset)
		return -EFAULT;
	return ram_read(v, offset, buf, size);
}

static int build(struct view *v, int notes)
{
	const struct layout *l = &v->plan.layout;
	g_autofree struct core_range *ranges = g_new0(struct core_range, l->n_ranges);
	int r;

	for (size_t i = 0; i < l->n_ranges; i++)
		ranges[i] = (struct core_range) {
			l->ranges[i].address, l->ranges[i].offset, l->ranges[i].size,
		};
	r = core_build(&built, notes, ranges, l->n_ranges, read_ram, v);
	if (r < 0)
		fprintf(stderr, "vmfork-view: no core: %s\n", g_strerror(-r));
	else if (core_remark(built))
		fprintf(stderr, "vmfork-view: core: %s\n", core_remark(built));
	return r;
}

static int build_from_notes(struct view *v)
{
	g_autofree char *path = g_build_filename(v->dir, "notes", NULL);
	int notes = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r;

	if (notes < 0)
		return -errno;
	r = build(v, notes);
	close(notes);
	return r;
}

/* A core that was built stays, until the worker ends. */
static int need(struct view *v)
{
	uint32_t state = view_state(v);
	int r = 0;

	if (state != BOOK_FROZEN)
		return state == BOOK_DROPPED ? -EIO : -EAGAIN;
	pthread_mutex_lock(&lock);
	if (!built)
		r = build_from_notes(v);
	pthread_mutex_unlock(&lock);
	return r;
}

int64_t corefile_size(struct view *v)
{
	int r = need(v);

	return r < 0 ? r : (int64_t)core_size(built);
}

static int read_piece(struct view *v, const struct core_piece *piece, char *buf,
		      uint64_t size)
{
	if (!piece->bytes)
		return read_ram(v, piece->ram_offset, buf, size);
	memcpy(buf, piece->bytes, size);
	return 0;
}

int64_t corefile_read(struct view *v, uint64_t at, char *buf, uint64_t size)
{
	uint64_t done = 0;
	int r = need(v);

	while (r == 0 && done < size) {
		struct core_piece piece;

		if (core_map(built, at + done, &piece) < 0)
			break;
		piece.size = MIN(piece.size, size - done);
		r = read_piece(v, &piece, buf + done, piece.size);
		done += piece.size;
	}
	return r < 0 ? r : (int64_t)done;
}

/* Where within the piece it is; its size: nowhere. */
static int64_t seek_piece(struct view *v, const struct core_piece *piece, int whence)
{
	int64_t found;

	if (piece->bytes)
		return whence == SEEK_DATA ? 0 : (int64_t)piece->size;
	found = ram_seek(v, piece->ram_offset, whence);
	if (found < 0)
		return found == -ENXIO ? (int64_t)piece->size : found;
	return MIN((uint64_t)found - piece->ram_offset, piece->size);
}

int64_t corefile_seek(struct view *v, uint64_t at, int whence)
{
	struct core_piece piece;
	int r = need(v);

	if (r < 0 || at >= core_size(built))
		return r < 0 ? r : -ENXIO;
	for (; core_map(built, at, &piece) == 0; at += piece.size) {
		int64_t found = seek_piece(v, &piece, whence);

		if (found < 0)
			return found;
		if ((uint64_t)found < piece.size)
			return at + found;
	}
	return whence == SEEK_DATA ? -ENXIO : (int64_t)core_size(built);
}
