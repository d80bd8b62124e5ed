/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <sys/stat.h>

#include <gio/gio.h>

#include "field.h"
#include "layout.h"

#define refuse(error, ...) \
	(g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, __VA_ARGS__), FALSE)

static gboolean parse_range(struct layout *l, const struct layout_block *b,
			    JsonObject *object, GError **error)
{
	struct layout_range r;

	if (!object || !field_number(object, "address", &r.address) ||
	    !field_number(object, "offset", &r.offset) ||
	    !field_number(object, "size", &r.size))
		return refuse(error, "a range has no address, offset or size");
	if (r.offset > b->size || r.size > b->size - r.offset ||
	    r.address > UINT64_MAX - r.size)
		return refuse(error, "a range is larger than its block");
	if (l->n_ranges == LAYOUT_RANGES_MAX)
		return refuse(error, "more than %d ranges", LAYOUT_RANGES_MAX);
	r.offset += b->offset;
	l->ranges[l->n_ranges++] = r;
	return TRUE;
}

static gboolean parse_ranges(struct layout *l, const struct layout_block *b,
			     JsonObject *object, GError **error)
{
	JsonArray *list = field_list(object, "ranges");

	for (guint i = 0; list && i < json_array_get_length(list); i++)
		if (!parse_range(l, b, field_element(list, i), error))
			return FALSE;
	return TRUE;
}

static gboolean check_file(const struct layout_block *b, GError **error)
{
	struct stat st;

	if (fstat(b->fd, &st) < 0)
		return refuse(error, "descriptor %d of a block is not open", b->fd);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < b->fd_offset ||
	    (uint64_t)st.st_size - b->fd_offset < b->size)
		return refuse(error, "descriptor %d is no memory of %" G_GUINT64_FORMAT
			      " bytes", b->fd, b->size);
	return TRUE;
}

static gboolean parse_memory(struct layout_block *b, JsonObject *object, GError **error)
{
	uint64_t fd;

	if (!field_number(object, "fd", &fd) || fd > INT32_MAX ||
	    !field_number(object, "host", &b->host) ||
	    !field_number(object, "fd-offset", &b->fd_offset))
		return refuse(error, "a block has no fd, host or fd-offset");
	if (b->host % b->page || b->host > INT64_MAX - b->size ||
	    b->fd_offset % b->page || b->fd_offset > INT64_MAX - b->size)
		return refuse(error, "a block does not begin at a page");
	b->fd = fd;
	return check_file(b, error);
}

static gboolean check_size(const struct layout *l, const struct layout_block *b,
			   GError **error)
{
	if (b->page < LAYOUT_UNIT || b->page & (b->page - 1))
		return refuse(error, "a page size is no power of two from %u",
			      LAYOUT_UNIT);
	if (b->page > LAYOUT_PAGE_MAX)
		return refuse(error, "pages of %" G_GUINT64_FORMAT " bytes are too large "
			      "to be copied at a fault; give the machine smaller ones",
			      b->page);
	if (!b->size || b->size % b->page || b->size > INT64_MAX / 2 - l->size)
		return refuse(error, "a block's size is no number of pages");
	return TRUE;
}

static gboolean parse_block(struct layout *l, JsonObject *object, gboolean memory,
			    GError **error)
{
	struct layout_block *b = &l->blocks[l->n_blocks];

	if (!object || !field_number(object, "size", &b->size) ||
	    !field_number(object, "page-size", &b->page))
		return refuse(error, "a block has no size or page-size");
	if (!check_size(l, b, error))
		return FALSE;
	b->fd = -1;
	b->offset = l->size;
	b->frame = l->frames;
	if (memory && !parse_memory(b, object, error))
		return FALSE;
	if (!parse_ranges(l, b, object, error))
		return FALSE;
	l->n_blocks++;
	l->size += b->size;
	l->frames += b->size / b->page;
	l->page = MAX(l->page, b->page);
	return TRUE;
}

gboolean layout_parse(struct layout *l, JsonArray *blocks, gboolean memory,
		      GError **error)
{
	guint n = json_array_get_length(blocks);

	if (n == 0 || n > LAYOUT_BLOCKS_MAX)
		return refuse(error, "%u blocks; 1 to %d can be", n, LAYOUT_BLOCKS_MAX);
	l->blocks = g_new0(struct layout_block, n);
	l->ranges = g_new0(struct layout_range, LAYOUT_RANGES_MAX);
	for (guint i = 0; i < n; i++)
		if (!parse_block(l, field_element(blocks, i), memory, error))
			return FALSE;
	return TRUE;
}

gboolean layout_plain(struct layout *l, uint64_t size, GError **error)
{
	struct layout_block b = { .size = size, .page = LAYOUT_UNIT, .fd = -1 };

	if (!check_size(l, &b, error))
		return FALSE;
	l->blocks = g_memdup2(&b, sizeof(b));
	l->n_blocks = 1;
	l->size = size;
	l->frames = size / LAYOUT_UNIT;
	l->page = LAYOUT_UNIT;
	return TRUE;
}

void layout_clear(struct layout *l)
{
	g_clear_pointer(&l->blocks, g_free);
	g_clear_pointer(&l->ranges, g_free);
}

const struct layout_block *layout_at(const struct layout *l, uint64_t offset)
{
	for (size_t i = 0; i < l->n_blocks; i++)
		if (offset - l->blocks[i].offset < l->blocks[i].size)
			return &l->blocks[i];
	return NULL;
}

const struct layout_block *layout_host(const struct layout *l, uint64_t host)
{
	for (size_t i = 0; i < l->n_blocks; i++)
		if (host - l->blocks[i].host < l->blocks[i].size)
			return &l->blocks[i];
	return NULL;
}
