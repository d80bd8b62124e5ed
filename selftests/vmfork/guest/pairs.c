// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * pairs SET COUNT [DISK]: writes pairs of words that must agree, until it is killed.
 *
 * A pair is one word in each of two pages that are far apart.  A writer goes over its
 * COUNT pairs in turn and again: it stores the next number into the first half, then into
 * the second.  In whatever instant its memory is frozen, the words of the pairs that it
 * has passed in this round are one more than those of the others, and one pair at most has
 * halves that differ.  A page that was kept too late shows as one that is ahead of pages
 * that the writer comes to earlier.
 *
 * Without DISK there is a writer on each processor, with pairs of its own, and stores are
 * the processor's.  With DISK there is one, and each store is a read of one sector by
 * O_DIRECT: the device writes it.  Sector N of the disk begins with the number N.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/fs.h>
#include <unistd.h>
#include "../stamp.h"

struct chain {
	struct stamp *half[2];	/* each an array of count pages */
	uint32_t count;
	int cpu, disk;
	uint64_t modulus;
};

static atomic_uint rounds;

static void die(const char *what)
{
	fprintf(stderr, "pairs: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct stamp *pages(uint32_t count)
{
	void *p = mmap(NULL, (size_t)count * STAMP_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	madvise(p, (size_t)count * STAMP_PAGE, MADV_NOHUGEPAGE);
	if (mlock(p, (size_t)count * STAMP_PAGE))
		die("mlock");
	return p;
}

static void stamp(struct chain *c, uint32_t set, int chain)
{
	for (int half = 0; half < 2; half++) {
		c->half[half] = pages(c->count);
		for (uint32_t i = 0; i < c->count; i++)
			c->half[half][i] = (struct stamp){
				.magic = STAMP_MAGIC, .set = set, .chain = chain,
				.half = half, .index = i, .count = c->count,
				.modulus = c->modulus,
			};
	}
}

static void store(struct chain *c, int half, uint32_t index, uint64_t number)
{
	struct stamp *s = &c->half[half][index];

	if (c->disk < 0) {
		/* x86 keeps stores in order; this keeps the compiler's. */
		__atomic_store_n(&s->word, number, __ATOMIC_RELEASE);
		return;
	}
	number %= c->modulus;
	if (pread(c->disk, s->sector, STAMP_SECTOR, number * STAMP_SECTOR) != STAMP_SECTOR)
		die("read of the disk");
	if (s->word != number) {
		errno = EIO;
		die("a sector is not what was written");
	}
}

static void *write_chain(void *arg)
{
	struct chain *c = arg;
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(c->cpu, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		die("sched_setaffinity");
	for (uint64_t number = 1; ; number++) {
		for (uint32_t i = 0; i < c->count; i++) {
			store(c, 0, i, number);
			store(c, 1, i, number);
		}
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

/* A page that the kernel moves leaves one behind that looks like it. */
static void keep_in_place(void)
{
	int fd = open("/proc/sys/vm/compact_unevictable_allowed", O_WRONLY);

	if (fd >= 0 && write(fd, "0", 1) != 1)
		die("compact_unevictable_allowed");
	if (fd >= 0)
		close(fd);
}

static void open_disk(struct chain *c, const char *path)
{
	uint64_t size;

	c->disk = open(path, O_RDONLY | O_DIRECT);
	if (c->disk < 0 || ioctl(c->disk, BLKGETSIZE64, &size))
		die(path);
	c->modulus = size / STAMP_SECTOR;
}

static void start(struct chain *c, int n, uint32_t set)
{
	pthread_t thread;

	for (int i = 0; i < n; i++)
		stamp(&c[i], set, i);
	for (int i = 0; i < n; i++)
		if (pthread_create(&thread, NULL, write_chain, &c[i]))
			die("pthread_create");
}

int main(int argc, char **argv)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), n = argc == 4 ? 1 : cpus;
	struct chain *c = calloc(n, sizeof(*c));

	if (!c || argc < 3 || argc > 4)
		die("usage: pairs SET COUNT [DISK]");
	keep_in_place();
	for (int i = 0; i < n; i++)
		c[i] = (struct chain){ .count = atoi(argv[2]), .cpu = i, .disk = -1 };
	if (argc == 4)
		open_disk(&c[0], argv[3]);
	start(c, n, atoi(argv[1]));
	/* Every pair has been written before anybody is told. */
	while (atomic_load(&rounds) < (unsigned int)n + 1)
		usleep(1000);
	printf("writing %d\n", n);
	fflush(stdout);
	pause();
	return 1;
}
