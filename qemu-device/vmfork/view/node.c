/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "corefile.h"
#include "node.h"
#include "ram.h"

static uint64_t cut(uint64_t at, uint64_t size, uint64_t end)
{
	return at >= end ? 0 : MIN(size, end - at);
}

static int ram_stat(struct view *v, const struct node *n, struct stat *ret)
{
	(void)n;
	ret->st_size = v->plan.layout.size;
	ret->st_blocks = v->frames.book->blocks;
	return 0;
}

static int64_t ram_some(struct view *v, const struct node *n, uint64_t at, char *buf,
			uint64_t size)
{
	int r;

	(void)n;
	size = cut(at, size, v->plan.layout.size);
	r = ram_read(v, at, buf, size);
	return r < 0 ? r : (int64_t)size;
}

static int64_t ram_next(struct view *v, const struct node *n, uint64_t at, int whence)
{
	(void)n;
	return ram_seek(v, at, whence);
}

static int core_stat(struct view *v, const struct node *n, struct stat *ret)
{
	int64_t size = corefile_size(v);

	(void)n;
	if (size == -EAGAIN)		/* it is there, of a size not yet known */
		return 0;
	if (size < 0)
		return size;
	ret->st_size = size;
	ret->st_blocks = MIN((uint64_t)size / 512, v->frames.book->blocks + 8);
	return 0;
}

static int64_t core_some(struct view *v, const struct node *n, uint64_t at, char *buf,
			 uint64_t size)
{
	(void)n;
	return corefile_read(v, at, buf, size);
}

static int64_t core_next(struct view *v, const struct node *n, uint64_t at, int whence)
{
	(void)n;
	return corefile_seek(v, at, whence);
}

/* A file of the snapshot's folder. */
static int plain_open(const struct view *v, const struct node *n)
{
	g_autofree char *path = g_build_filename(v->dir, n->name, NULL);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

static int plain_stat(struct view *v, const struct node *n, struct stat *ret)
{
	int fd = plain_open(v, n), r = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		r = -ENOENT;
	close(fd);
	if (r < 0)
		return r;
	ret->st_size = st.st_size;
	ret->st_blocks = st.st_blocks;
	ret->st_mtim = st.st_mtim;
	return 0;
}

/* Opened each time: a descriptor would not outlive the worker. */
static int64_t plain_read(struct view *v, const struct node *n, uint64_t at, char *buf,
			  uint64_t size)
{
	int fd = plain_open(v, n);
	ssize_t got;

	if (fd < 0)
		return fd;
	got = pread(fd, buf, size, at);
	if (got < 0)
		got = -errno;
	close(fd);
	return got;
}

static const struct node nodes[] = {
	{ "ram", true, NULL, ram_stat, ram_some, ram_next },
	{ "core", true, "notes", core_stat, core_some, core_next },
	{ "state", false, "state", plain_stat, plain_read, NULL },
	{ "meta.json", false, "meta.json", plain_stat, plain_read, NULL },
};

bool node_there(const struct view *v, const struct node *n)
{
	g_autofree char *path = NULL;

	if (!n->needs)
		return true;
	path = g_build_filename(v->dir, n->needs, NULL);
	return access(path, R_OK) == 0;
}

const struct node *node_at(uint64_t ino)
{
	if (ino < NODE_FIRST || ino - NODE_FIRST >= G_N_ELEMENTS(nodes))
		return NULL;
	return &nodes[ino - NODE_FIRST];
}

uint64_t node_find(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++)
		if (strcmp(nodes[i].name, name) == 0)
			return NODE_FIRST + i;
	return 0;
}
