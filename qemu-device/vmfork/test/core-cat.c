/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * core-cat NOTES RAM CORE ADDRESS:OFFSET:SIZE...
 *
 * Writes to CORE, sparsely, what the view of a machine with these notes and this memory
 * shows as "core".  Says on standard error what the core lacks.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

static int read_ram(void *ctx, uint64_t offset, void *buf, size_t size)
{
	ssize_t n = pread(*(int *)ctx, buf, size, offset);

	return n == (ssize_t)size ? 0 : n < 0 ? -errno : -EIO;
}

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void put(int to, const void *buf, size_t size, uint64_t at)
{
	if (pwrite(to, buf, size, at) != (ssize_t)size)
		err(1, "write");
}

/* The data in @size bytes of @from at @offset, to @at. */
static void copy(int from, int to, uint64_t offset, uint64_t size, uint64_t at)
{
	static char buf[1 << 20];
	off_t data = offset, end = offset + size;

	while ((data = lseek(from, data, SEEK_DATA)) >= 0 && data < end) {
		off_t n = lseek(from, data, SEEK_HOLE) - data;
		ssize_t r;

		n = n < end - data ? n : end - data;
		r = pread(from, buf, n < (off_t)sizeof(buf) ? n : (off_t)sizeof(buf), data);
		if (r <= 0)
			err(1, "read");
		put(to, buf, r, at + (data - offset));
		data += r;
	}
}

static void write_core(const struct core *c, int ram, int to)
{
	struct core_piece p;

	for (uint64_t at = 0; !core_map(c, at, &p); at += p.size) {
		if (p.bytes)
			put(to, p.bytes, p.size, at);
		else
			copy(ram, to, p.ram_offset, p.size, at);
	}
	if (ftruncate(to, core_size(c)))
		err(1, "ftruncate");
}

int main(int argc, char **argv)
{
	struct core_range ranges[64];
	size_t n = 0;
	int notes, ram, r;
	struct core *c;

	if (argc < 5 || argc - 4 > 64)
		errx(2, "usage: core-cat NOTES RAM CORE ADDRESS:OFFSET:SIZE...");
	for (char **arg = argv + 4; *arg; arg++, n++)
		if (sscanf(*arg, "%" SCNi64 ":%" SCNi64 ":%" SCNi64, &ranges[n].address,
			   &ranges[n].offset, &ranges[n].size) != 3)
			errx(2, "no range: %s", *arg);
	notes = open_file(argv[1], O_RDONLY);
	ram = open_file(argv[2], O_RDONLY);
	r = core_build(&c, notes, ranges, n, read_ram, &ram);
	if (r < 0)
		errx(1, "no core of %s and %s: %s", argv[1], argv[2], strerror(-r));
	if (core_remark(c))
		fprintf(stderr, "core-cat: %s\n", core_remark(c));
	write_core(c, ram, open_file(argv[3], O_WRONLY | O_CREAT | O_TRUNC));
	core_free(c);
	return 0;
}
