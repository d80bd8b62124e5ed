/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source.h"

void source_set_lower(struct source *s, int fd)
{
	int old = -1;

	if (atomic_compare_exchange_strong(&s->lower, &old, fd))
		return;
	dup3(fd, old, O_CLOEXEC);
	close(fd);
}

/* A lower view that is gone, or was dropped, is an I/O error to our readers. */
static int lower_error(int error)
{
	return error == EAGAIN || error == ENXIO ? -error : -EIO;
}

int source_read(const struct source *s, uint32_t now, const struct layout_block *b,
		uint64_t offset, char *buf, size_t size)
{
	int fd = now == BOOK_LOWER ? s->lower : b->fd;
	uint64_t at = now == BOOK_LOWER ? offset : b->fd_offset + offset - b->offset;

	while (size) {
		ssize_t n = pread(fd, buf, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? lower_error(errno) : -EIO;
		buf += n;
		size -= n;
		at += n;
	}
	return 0;
}

/* Within one block: an offset of "ram", which is the block's end if there is none. */
static int64_t seek_block(const struct layout_block *b, uint64_t offset, int whence)
{
	int64_t at = lseek(b->fd, b->fd_offset + offset - b->offset, whence);

	if (at < 0)
		return errno == ENXIO ? (int64_t)layout_end(b) : -EIO;
	at += b->offset - b->fd_offset;
	return at < (int64_t)layout_end(b) ? at : (int64_t)layout_end(b);
}

static int64_t seek_memory(const struct layout *l, uint64_t offset, int whence)
{
	while (offset < l->size) {
		const struct layout_block *b = layout_at(l, offset);
		int64_t at = seek_block(b, offset, whence);

		if (at < 0 || (uint64_t)at < layout_end(b))
			return at;
		offset = at;
	}
	return whence == SEEK_DATA ? -ENXIO : (int64_t)l->size;
}

int64_t source_seek(const struct source *s, uint32_t now, uint64_t offset, int whence)
{
	int64_t at;

	if (now == BOOK_MEMORY)
		return seek_memory(s->layout, offset, whence);
	at = lseek(s->lower, offset, whence);
	return at < 0 ? lower_error(errno) : at;
}

static uint64_t blocks_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_blocks : 0;
}

uint64_t source_blocks(const struct source *s)
{
	uint64_t sum = 0;

	if (source_now(s) == BOOK_LOWER)
		return blocks_of(s->lower);
	for (size_t i = 0; i < s->layout->n_blocks; i++)
		sum += blocks_of(s->layout->blocks[i].fd);
	return sum < s->layout->size / 512 ? sum : s->layout->size / 512;
}
