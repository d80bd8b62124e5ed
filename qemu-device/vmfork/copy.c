/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "cancel.h"
#include "copy.h"

#define COPY_CHUNK (1 << 20)
#define COPY_PAGE 4096

static gboolean copy_read(int fd, char *buf, gint64 at, size_t size, GError **error)
{
	ssize_t got;

	for (size_t have = 0; have < size; have += got) {
		got = pread(fd, buf + have, size - have, at + have);
		if (got < 0 && errno == EINTR) {
			got = 0;
			continue;
		}
		if (got < 0)
			return vmfork_fail_errno(error, "cannot read the memory");
		if (got == 0)
			return vmfork_fail(error, VMFORK_FAILED, "the memory is shorter than it "
					   "should be");
	}
	return TRUE;
}

static gboolean copy_write(int fd, const char *buf, gint64 at, size_t size, GError **error)
{
	ssize_t put;

	for (size_t have = 0; have < size; have += put) {
		put = pwrite(fd, buf + have, size - have, at + have);
		if (put < 0 && errno == EINTR)
			put = 0;
		else if (put < 0)
			return vmfork_fail_errno(error, "cannot write the copy of the memory");
	}
	return TRUE;
}

static gboolean copy_is_zero(const char *page, size_t size)
{
	return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

/* The next run of pages that are all zero, or all not; its size. */
static size_t copy_run(const char *buf, size_t size, gboolean *zero)
{
	size_t run = MIN(size, COPY_PAGE);

	*zero = copy_is_zero(buf, run);
	while (run < size && copy_is_zero(buf + run, MIN(size - run, COPY_PAGE)) == *zero)
		run += MIN(size - run, COPY_PAGE);
	return run;
}

static gboolean copy_chunk(struct copy *c, const char *buf, gint64 into, size_t size,
			   GError **error)
{
	gboolean zero;
	size_t run;

	for (size_t at = 0; at < size; at += run) {
		run = copy_run(buf + at, size - at, &zero);
		if (zero)
			continue;
		if (!copy_write(c->to, buf + at, into + at, run, error))
			return FALSE;
		c->copied += run;
	}
	return TRUE;
}

gboolean copy_range(struct copy *c, gint64 at, gint64 into, gint64 size, GError **error)
{
	g_autofree char *buf = g_malloc(COPY_CHUNK);
	size_t part;

	for (gint64 done = 0; done < size; done += part) {
		part = MIN(size - done, COPY_CHUNK);
		if (!cancel_check(error) || !copy_read(c->from, buf, at + done, part, error) ||
		    !copy_chunk(c, buf, into + done, part, error))
			return FALSE;
		if (c->progress)
			progress_at(c->progress, c->done + done + part, c->all);
	}
	c->done += size;
	return TRUE;
}

/* A file system that knows no holes has one piece of data. */
static gint64 copy_seek(int fd, gint64 at, int whence, gint64 size)
{
	off_t found = lseek(fd, at, whence);

	if (found >= 0)
		return MIN(found, size);
	return errno == ENXIO ? size : whence == SEEK_DATA ? at : size;
}

gboolean copy_file(struct copy *c, gint64 size, GError **error)
{
	gint64 data, hole;

	c->all = size;
	for (gint64 at = 0; at < size; at = hole) {
		data = copy_seek(c->from, at, SEEK_DATA, size);
		hole = data < size ? copy_seek(c->from, data, SEEK_HOLE, size) : size;
		c->done = data;
		if (data < hole && !copy_range(c, data, data, hole - data, error))
			return FALSE;
	}
	if (c->progress)
		progress_at(c->progress, size, size);
	if (ftruncate(c->to, size) == 0)
		return TRUE;
	return vmfork_fail_errno(error, "cannot make the copy of the memory");
}
