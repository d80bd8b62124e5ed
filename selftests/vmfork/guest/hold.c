// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * hold SET PAGES FIFO: holds pages of memory, each with a number in it, 1 to begin with.
 * PAGES "all" is all that is free, less some for the rest of the guest.
 *
 * It does what it reads from FIFO, one word a line, and answers into FIFO.out:
 *
 *	write N		stores N into every page: "wrote PAGES"
 *	time N		the same, and answers how many microseconds that took
 *	check N		"PAGES of PAGES": how many have N in them
 *	count		"PAGES"
 *	end		ends, without an answer; its pages are free then
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "../stamp.h"

#define SPARED	(24ul << 20)

static struct stamp *pages;
static size_t count;

static void die(const char *what)
{
	fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
	exit(1);
}

static size_t available(void)
{
	unsigned long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %lu kB", &kib) == 1)
			break;
	if (!f || kib * 1024 <= SPARED)
		die("no memory is free");
	fclose(f);
	return (kib * 1024 - SPARED) / STAMP_PAGE;
}

static void fill(uint32_t set)
{
	pages = mmap(NULL, count * STAMP_PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < count; i++) {
		/* All of it: a page of zeros is none that anybody has to keep. */
		memset(&pages[i], 0x5a, STAMP_PAGE);
		pages[i].magic = STAMP_MAGIC;
		pages[i].set = set;
		pages[i].chain = pages[i].half = 0;
		pages[i].index = i;
		pages[i].count = count;
		pages[i].modulus = 0;
		pages[i].word = 1;
	}
	if (mlock(pages, count * STAMP_PAGE))
		die("mlock");
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long write_all(uint64_t number)
{
	long long start = now();

	for (size_t i = 0; i < count; i++)
		__atomic_store_n(&pages[i].word, number, __ATOMIC_RELAXED);
	return now() - start;
}

static void answer(FILE *out, const char *line)
{
	unsigned long long number;
	size_t same = 0;

	if (sscanf(line, "write %llu", &number) == 1) {
		write_all(number);
		fprintf(out, "wrote %zu\n", count);
	} else if (sscanf(line, "time %llu", &number) == 1) {
		fprintf(out, "%lld\n", write_all(number));
	} else if (sscanf(line, "check %llu", &number) == 1) {
		for (size_t i = 0; i < count; i++)
			same += pages[i].word == number && pages[i].index == i;
		fprintf(out, "%zu of %zu\n", same, count);
	} else if (!strcmp(line, "count\n")) {
		fprintf(out, "%zu\n", count);
	} else {
		fprintf(out, "what is %s", line);
	}
}

static void serve(const char *path)
{
	char line[128], back[256];
	FILE *in, *out;

	snprintf(back, sizeof(back), "%s.out", path);
	if (mkfifo(path, 0600) || mkfifo(back, 0600))
		die(path);
	printf("holding %zu\n", count);
	fflush(stdout);
	for (;;) {
		in = fopen(path, "r");
		if (!in || !fgets(line, sizeof(line), in))
			die(path);
		if (!strcmp(line, "end\n"))
			exit(0);
		out = fopen(back, "w");
		if (!out)
			die(back);
		answer(out, line);
		fclose(out);
		fclose(in);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4)
		die("usage: hold SET PAGES FIFO");
	count = strcmp(argv[2], "all") ? strtoul(argv[2], NULL, 0) : available();
	fill(atoi(argv[1]));
	serve(argv[3]);
}
