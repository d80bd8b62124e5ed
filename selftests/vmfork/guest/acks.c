// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * acks DISK: writes block after block of a disk, N into each sector of block N, and says
 * "ack N" on its output once fsync() has returned.  Several blocks are written before each
 * fsync(), so that a daemon that dies has mostly answered writes that nobody flushed yet.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK 4096
#define SECTOR 512
#define BATCH 32

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void fill(uint64_t *block, uint64_t number)
{
	for (size_t i = 0; i < BLOCK / sizeof(*block); i += SECTOR / sizeof(*block))
		block[i] = number;
}

int main(int argc, char **argv)
{
	uint64_t *block = aligned_alloc(BLOCK, BLOCK);
	int disk;

	if (argc != 2 || !block)
		die("usage: acks DISK");
	disk = open(argv[1], O_WRONLY | O_DIRECT);
	if (disk < 0)
		die(argv[1]);
	for (uint64_t n = 1;; n++) {
		fill(block, n);
		if (pwrite(disk, block, BLOCK, n * BLOCK) != BLOCK)
			die("write to the disk");
		if (n % BATCH)
			continue;
		if (fsync(disk))
			die("fsync");
		dprintf(STDOUT_FILENO, "ack %" PRIu64 "\n", n);
	}
}
