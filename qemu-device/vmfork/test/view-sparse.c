/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Holes stay holes: reading a view makes no page of memory, lseek() finds them, and what
 * was written since is no data of the view.  Also what stat() says, and the other files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (64u << 20)
#define FRAMES (SIZE / 4096)

static int64_t blocks(struct standin *m)
{
	struct stat st;

	CHECK(fstat(m->blocks[0].fd, &st) == 0);
	return st.st_blocks;
}

static void put(struct view *v, const char *name, const char *text)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", v->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void freeze(struct view *v, struct standin *m)
{
	view_start(v, m, NULL);
	view_ok(v, "{\"op\": \"arm\"}");
	standin_stop(m);
	view_freeze(v, m);
	standin_cont(m);
}

static void nothing_touched(struct standin *m)
{
	struct view v;
	struct stat st;
	int fd;

	freeze(&v, m);
	fd = view_open(&v);
	CHECK(fstat(fd, &st) == 0 && st.st_size == SIZE && st.st_blocks == 0);
	CHECK(lseek(fd, 0, SEEK_DATA) < 0 && errno == ENXIO);
	CHECK(lseek(fd, 0, SEEK_HOLE) == 0);
	view_compare(&v, fd);
	view_compare_mmap(&v, m);
	close(fd);
	CHECK(blocks(m) == 0);
	view_end(&v);
}

/* Data and holes alternate as bits of the memory at the freeze do. */
static void compare_seek(struct view *v)
{
	static const char zero[4096];
	int fd = view_open(v);
	off_t at = 0, data, hole, end;

	for (at = 0; at < SIZE; at = hole) {
		data = lseek(fd, at, SEEK_DATA);
		end = data < 0 ? SIZE : data;
		CHECK(data >= 0 || errno == ENXIO);
		for (off_t i = at; i < end; i += 4096)
			CHECK(memcmp(v->truth + i, zero, 4096) == 0);
		if (data < 0)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		CHECK(hole > data);
		CHECK(lseek(fd, hole > SIZE - 1 ? data : hole, SEEK_HOLE) == hole);
		for (off_t i = data; i < hole; i += 4096)
			CHECK(memcmp(v->truth + i, zero, 4096) != 0);
	}
	CHECK(lseek(fd, SIZE, SEEK_DATA) < 0 && errno == ENXIO);
	close(fd);
}

static void copied(struct view *v)
{
	char command[700];
	struct stat st;

	snprintf(command, sizeof(command), "cp --sparse=auto %s/view/ram %s/copy", v->dir,
		 v->dir);
	CHECK(system(command) == 0);
	snprintf(command, sizeof(command), "%s/copy", v->dir);
	CHECK(stat(command, &st) == 0 && st.st_size == SIZE);
	CHECK(st.st_blocks < SIZE / 512 / 2);
	snprintf(command, sizeof(command), "cmp %s/view/ram %s/copy", v->dir, v->dir);
	CHECK(system(command) == 0);
}

/* The stand-in's threads wrote a few; then it writes all. */
static void some_touched(struct standin *m)
{
	struct view v;

	freeze(&v, m);
	CHECK(blocks(m) > 0 && blocks(m) < (int64_t)SIZE / 512 / 2);
	/* A frame that is being kept may be data for one call and a hole for the next. */
	standin_stop(m);
	compare_seek(&v);
	standin_cont(m);
	standin_write_all(m);
	standin_stop(m);
	compare_seek(&v);
	copied(&v);
	CHECK(view_number(&v, "zero") > 0);
	view_end(&v);
}

static void other_files(struct standin *m)
{
	char path[400], text[64];
	struct view v;
	struct stat st;
	int fd;

	view_start(&v, m, NULL);
	snprintf(path, sizeof(path), "%s/view/state", v.dir);
	CHECK(stat(path, &st) < 0 && errno == ENOENT);
	put(&v, "state", "0123456789");
	put(&v, "meta.json", "{}");
	fd = open(path, O_RDONLY);
	CHECK(fd >= 0 && pread(fd, text, sizeof(text), 4) == 6);
	CHECK(memcmp(text, "456789", 6) == 0);
	close(fd);
	put(&v, "state", "longer than it was");
	CHECK(stat(path, &st) == 0 && st.st_size == 18);
	CHECK(open(path, O_RDWR) < 0 && errno == EROFS);
	snprintf(path, sizeof(path), "ls %s/view | tr '\\n' ' ' | grep -qx 'ram state "
		 "meta.json \\|meta.json ram state '", v.dir);
	CHECK(system(path) == 0);
	/* Malformed notes: no core, the server goes on. */
	standin_stop(m);
	view_freeze(&v, m);
	standin_cont(m);
	put(&v, "notes", "no ELF");
	snprintf(path, sizeof(path), "%s/view/core", v.dir);
	CHECK(open(path, O_RDONLY) < 0 && errno == EBADMSG);
	CHECK(view_is(&v, "frozen"));
	view_end(&v);
}

int main(void)
{
	struct standin m;

	need_root();
	standin_start(&m, 0, 1, SIZE, 0);
	nothing_touched(&m);
	other_files(&m);
	standin_kill(&m);
	standin_start(&m, 2, 1, SIZE, 0);
	standin_progress(&m, 100);
	standin_stop(&m);
	some_touched(&m);
	standin_kill(&m);
	return 0;
}
