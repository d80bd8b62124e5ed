/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Write after read, and all writes.  Writers run on while a view is read by read() and
 * mmap(), again and again with an empty page cache: 10^6 pairs each way, all as they were.
 * Then, without luck: a reader is held between its first look at the index and its read,
 * while the machine writes the frame.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (32u << 20)
#define PAIRS (SIZE / 4096 / 2 * STANDIN_PAIRS)
#define ENOUGH 1000000

static void empty_cache(int fd)
{
	CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
}

static uint64_t by_read(struct view *v, struct standin *m, int fd)
{
	unsigned char *ram = malloc(SIZE);
	uint64_t at = 0;

	while (at < SIZE) {
		ssize_t n = pread(fd, ram + at, SIZE - at < 65536 ? SIZE - at : 65536, at);

		CHECK(n > 0);
		at += n;
	}
	CHECK(view_torn(v, m, ram) == 0);
	CHECK(memcmp(ram, v->truth, SIZE) == 0);
	free(ram);
	return PAIRS;
}

static void many_pairs(struct standin *m)
{
	uint64_t pairs = 0, mapped = 0;
	int views = 0;

	for (; pairs < ENOUGH || mapped < ENOUGH || views < 3; views++) {
		struct view v;
		char byte;
		int fd;

		view_start(&v, m, NULL);
		fd = view_open(&v);
		CHECK(pread(fd, &byte, 1, 0) < 0 && errno == EAGAIN);
		view_ok(&v, "{\"op\": \"arm\"}");
		standin_progress(m, 1000);
		CHECK(pread(fd, &byte, 1, 0) < 0 && errno == EAGAIN);
		standin_stop(m);
		view_freeze(&v, m);
		standin_cont(m);
		for (int i = 0; i < 2; i++) {
			pairs += by_read(&v, m, fd);
			empty_cache(fd);
			view_compare_mmap(&v, m);
			mapped += PAIRS;
			empty_cache(fd);
		}
		standin_write_all(m);
		pairs += by_read(&v, m, fd);
		CHECK(view_number(&v, "kept") + view_number(&v, "zero") == SIZE / 4096);
		close(fd);
		view_end(&v);
	}
	say("%llu pairs by read(), %llu by mmap(), %d views, 0 torn",
	    (unsigned long long)pairs, (unsigned long long)mapped, views);
}

/* The reader is past its first look; all frames are written; then it reads. */
static void held_reader(struct standin *m)
{
	struct gate g;
	struct view v;

	gate_open(&g, "read-index");
	view_start(&v, m, NULL);
	standin_stop(m);
	view_freeze(&v, m);
	standin_cont(m);
	gate_reader(&g, &v);
	standin_write_all(m);
	CHECK(gate_release(&g) == 0);
	view_end(&v);
}

int main(void)
{
	struct standin m;

	need_root();
	standin_start(&m, 2, 1, SIZE, 0);
	standin_progress(&m, 1000);
	many_pairs(&m);
	held_reader(&m);
	standin_kill(&m);
	return 0;
}
