// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * viewcheck pairs FILE SET ROUNDS read|direct|mmap
 * viewcheck pages FILE SET
 * viewcheck frames FILE SET
 *
 * Looks into the RAM of a machine, a file, for what the guest's programs (guest/) or
 * netsend have written there, and prints what it found as JSON.
 *
 *	pairs	are they of one instant (see guest/pairs.c), and the same in each of ROUNDS
 *		readings?  "direct" asks the file system each time, "read" and "mmap" the
 *		page cache
 *	pages	how many have which number
 *	frames	of netsend: how many, between which numbers, and a digest of which are where
 *
 * Exit status: 0 nothing is torn and nothing has changed; 1 something is, or no page was
 * found, or the file could not be read
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../stamp.h"

#define CHUNK	(1ul << 20)

struct found {
	off_t offset;
	uint64_t word;
	uint32_t index, count;
	uint64_t modulus;
	uint16_t chain, half;
};

static struct found *found;
static size_t n_found;
static int file;
static off_t size;
static unsigned char *chunk;
static uint64_t reads, changed;

static void die(const char *what)
{
	fprintf(stderr, "viewcheck: %s: %s\n", what, strerror(errno));
	exit(1);
}

static size_t get(unsigned char *to, off_t offset, size_t want)
{
	size_t got = 0;
	ssize_t n;

	while (got < want && (n = pread(file, to + got, want - got, offset + got)) != 0) {
		if (n < 0)
			die("read");
		got += n;
	}
	return got;
}

static void open_file(const char *path, int flags)
{
	struct stat st;

	file = open(path, O_RDONLY | flags);
	if (file < 0 || fstat(file, &st))
		die(path);
	size = st.st_size;
	chunk = aligned_alloc(STAMP_PAGE, CHUNK);
	if (!chunk)
		die("memory");
}

/* --- finding --------------------------------------------------------------------- */

static void note(const struct stamp *s, off_t offset)
{
	if (!(n_found & (n_found - 1))) {
		found = realloc(found, sizeof(*found) * (n_found ? 2 * n_found : 1));
		if (!found)
			die("memory");
	}
	found[n_found++] = (struct found){
		.offset = offset, .word = s->word, .index = s->index, .count = s->count,
		.modulus = s->modulus, .chain = s->chain, .half = s->half,
	};
}

static void look(uint32_t set, off_t offset, size_t n)
{
	for (size_t at = 0; at + STAMP_PAGE <= n; at += STAMP_PAGE) {
		const struct stamp *s = (void *)(chunk + at);

		if (s->magic == STAMP_MAGIC && s->set == set)
			note(s, offset + at);
	}
}

static void find(uint32_t set)
{
	off_t offset = 0;
	size_t n;

	while (offset < size && (offset = lseek(file, offset, SEEK_DATA)) >= 0) {
		offset -= offset % STAMP_PAGE;
		n = get(chunk, offset, CHUNK);
		if (!n)
			break;
		look(set, offset, n);
		offset += n;
	}
	if (offset < 0 && errno != ENXIO)
		die("lseek");
	if (!n_found) {
		fprintf(stderr, "viewcheck: no page of set %u\n", set);
		exit(1);
	}
}

/* --- pairs ------------------------------------------------------------------------ */

/* In the order in which they are written. */
static int by_turn(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	if (x->chain != y->chain)
		return x->chain < y->chain ? -1 : 1;
	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return (int)x->half - y->half;
}

static int by_offset(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static uint64_t next(const struct found *f, uint64_t word)
{
	return f->modulus ? (word + 1) % f->modulus : word + 1;
}

static bool whole(const struct found *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].index != i / 2 || f[i].half != i % 2)
			return false;
	return n == 2 * (size_t)f->count;
}

/* What the writer has passed in this round is one ahead of the rest; nothing else is. */
static size_t torn(const struct found *f, size_t n)
{
	uint64_t rest = f[n - 1].word, ahead = next(f, rest);
	size_t i = 0, bad = 0;

	while (i < n && f[i].word == ahead)
		i++;
	for (; i < n; i++)
		bad += f[i].word != rest;
	return bad;
}

/* "torn": pages that are of another instant than the last one. */
static bool judge(size_t *chains, size_t *bad)
{
	size_t start = 0, end;

	*chains = *bad = 0;
	qsort(found, n_found, sizeof(*found), by_turn);
	for (; start < n_found; start = end, ++*chains) {
		for (end = start; end < n_found && found[end].chain == found[start].chain;)
			end++;
		if (!whole(found + start, end - start)) {
			fprintf(stderr, "viewcheck: chain %d has %zu pages, not two each of %u pairs\n",
				found[start].chain, end - start, found[start].count);
			return false;
		}
		*bad += torn(found + start, end - start);
	}
	return true;
}

static void compare(const struct found *f, uint64_t word)
{
	changed += f->word != word;
	reads++;
}

static void again_by_pages(void)
{
	const size_t at = offsetof(struct stamp, word);
	uint64_t word;

	for (size_t i = 0; i < n_found; i++) {
		if (get((void *)&word, found[i].offset + at, sizeof(word)) != sizeof(word))
			die("read");
		compare(&found[i], word);
	}
}

static void again_by_mmap(const unsigned char *map)
{
	const size_t at = offsetof(struct stamp, word);

	for (size_t i = 0; i < n_found; i++)
		compare(&found[i], *(const volatile uint64_t *)(map + found[i].offset + at));
}

static void again_by_chunks(void)
{
	const size_t at = offsetof(struct stamp, word);
	off_t start = 0;
	size_t n = 0;

	for (size_t i = 0; i < n_found; i++) {
		if (found[i].offset >= start + (off_t)n) {
			start = found[i].offset;
			n = get(chunk, start, CHUNK);
		}
		compare(&found[i], *(uint64_t *)(chunk + (found[i].offset - start) + at));
	}
}

static void reread(unsigned long rounds, const char *how)
{
	unsigned char *map = NULL;

	qsort(found, n_found, sizeof(*found), by_offset);
	if (!strcmp(how, "mmap")) {
		map = mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0);
		if (map == MAP_FAILED)
			die("mmap");
	}
	while (rounds--) {
		if (map)
			again_by_mmap(map);
		else if (!strcmp(how, "direct"))
			again_by_chunks();
		else
			again_by_pages();
	}
}

static int pairs(const char *path, uint32_t set, unsigned long rounds, const char *how)
{
	size_t chains, bad;

	open_file(path, strcmp(how, "direct") ? 0 : O_DIRECT);
	find(set);
	if (!judge(&chains, &bad))
		return 1;
	reread(rounds, how);
	printf("{\"chains\": %zu, \"pairs\": %zu, \"torn\": %zu, \"reads\": %llu, \"changed\": %llu}\n",
	       chains, n_found / 2, bad, (unsigned long long)reads,
	       (unsigned long long)changed);
	return bad || changed;
}

/* --- pages ------------------------------------------------------------------------- */

static int by_word(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->word > y->word) - (x->word < y->word);
}

static int pages(const char *path, uint32_t set)
{
	size_t start = 0, end;

	open_file(path, 0);
	find(set);
	qsort(found, n_found, sizeof(*found), by_word);
	printf("{\"pages\": %zu, \"words\": {", n_found);
	for (; start < n_found; start = end) {
		for (end = start; end < n_found && found[end].word == found[start].word;)
			end++;
		printf("%s\"%llu\": %zu", start ? ", " : "",
		       (unsigned long long)found[start].word, end - start);
	}
	puts("}}");
	return 0;
}

/* --- frames -------------------------------------------------------------------------- */

struct tally {
	uint64_t n, least, greatest, digest;
};

static void tally(struct tally *t, uint64_t offset, uint64_t number)
{
	t->least = !t->n || number < t->least ? number : t->least;
	t->greatest = number > t->greatest ? number : t->greatest;
	t->digest = (t->digest ^ offset) * UINT64_C(0x100000001b3);
	t->digest = (t->digest ^ number) * UINT64_C(0x100000001b3);
	t->n++;
}

static int frames(const char *path, uint32_t set)
{
	struct tally t = { .digest = UINT64_C(0xcbf29ce484222325) };
	struct { uint64_t magic, set, number; } f;
	off_t offset = 0;
	size_t n;

	open_file(path, O_DIRECT);
	for (; (n = get(chunk, offset, CHUNK)); offset += n)
		for (size_t at = 0; at + sizeof(f) <= n; at += 2) {
			memcpy(&f, chunk + at, sizeof(f));
			if (f.magic == STAMP_MAGIC && f.set == set)
				tally(&t, offset + at, f.number);
		}
	printf("{\"frames\": %llu, \"least\": %llu, \"greatest\": %llu, \"digest\": \"%016llx\"}\n",
	       (unsigned long long)t.n, (unsigned long long)t.least,
	       (unsigned long long)t.greatest, (unsigned long long)t.digest);
	return !t.n;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "pairs"))
		return pairs(argv[2], atoi(argv[3]), strtoul(argv[4], NULL, 0), argv[5]);
	if (argc == 4 && !strcmp(argv[1], "pages"))
		return pages(argv[2], atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "frames"))
		return frames(argv[2], atoi(argv[3]));
	fprintf(stderr, "usage: see the source\n");
	return 2;
}
