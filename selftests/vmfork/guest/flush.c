// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * flush SET DISK FILE: counts in memory and on a disk, by turns, until it is killed: a number
 * into a stamped page of memory, which is FILE's, then into the first sector of DISK, then
 * fsync().  A disk and a memory of one instant have the same number, or the disk is one
 * behind.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../stamp.h"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct stamp *open_page(const char *path, uint32_t set)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	struct stamp *s;

	if (fd < 0 || ftruncate(fd, STAMP_PAGE))
		die(path);
	s = mmap(NULL, STAMP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		die("mmap");
	s->set = set;
	s->count = 1;
	s->magic = STAMP_MAGIC;
	return s;
}

int main(int argc, char **argv)
{
	uint64_t *sector = aligned_alloc(STAMP_PAGE, STAMP_PAGE);
	struct stamp *s;
	int disk;

	if (argc != 4 || !sector)
		die("usage: flush SET DISK FILE");
	disk = open(argv[2], O_WRONLY | O_DIRECT);
	if (disk < 0)
		die(argv[2]);
	s = open_page(argv[3], atoi(argv[1]));
	for (;;) {
		__atomic_store_n(&s->word, s->word + 1, __ATOMIC_RELEASE);
		sector[0] = s->word;
		if (pwrite(disk, sector, STAMP_SECTOR, 0) != STAMP_SECTOR || fsync(disk))
			die("write to the disk");
	}
}
