/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A guest whose memory is an array, with page tables that a test writes into it. */
#ifndef TABLES_H
#define TABLES_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "paging.h"

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond); \
			_exit(1); \
		} \
	} while (0)

#define P	UINT64_C(1)
#define PS	(UINT64_C(1) << 7)
#define NX	(UINT64_C(1) << 63)
#define KIB	UINT64_C(1024)
#define MIB	(KIB * KIB)
#define GIB	(KIB * MIB)
#define PG	(UINT64_C(1) << 31)
#define PAE	(UINT64_C(1) << 5)
#define LA57	(UINT64_C(1) << 12)

struct guest {
	uint8_t *memory;
	uint64_t size, next;
	struct core_range ranges[8];
	struct paging_ram ram;
	unsigned int reads;
	int fail;
};

static inline int guest_read(void *ctx, uint64_t offset, void *buf, size_t size)
{
	struct guest *g = ctx;

	g->reads++;
	if (g->fail)
		return g->fail;
	CHECK(offset <= g->size && size <= g->size - offset);
	memcpy(buf, g->memory + offset, size);
	return 0;
}

/* All its memory is one range, at the start. */
static inline void guest_init(struct guest *g, uint64_t size)
{
	*g = (struct guest) { .memory = calloc(1, size), .size = size };
	CHECK(g->memory);
	g->ranges[0] = (struct core_range) { 0, 0, size };
	g->ram = (struct paging_ram) { g->ranges, 1, guest_read, g };
}

static inline uint64_t *guest_table(struct guest *g, uint64_t address)
{
	CHECK(address + 4096 <= g->size);
	return (uint64_t *)(g->memory + address);
}

/* A new table. */
static inline uint64_t guest_page(struct guest *g)
{
	g->next += 4096;
	CHECK(g->next <= g->size);
	return g->next - 4096;
}

static inline uint64_t *guest_entry(struct guest *g, uint64_t root, unsigned int levels,
				    uint64_t virtual, unsigned int level)
{
	uint64_t table = root;

	for (unsigned int l = levels;; l--) {
		uint64_t *e = &guest_table(g, table)[virtual >> (12 + 9 * (l - 1)) & 511];

		if (l == level)
			return e;
		if (!*e)
			*e = guest_page(g) | P;
		table = *e & UINT64_C(0xffffffffff000);
	}
}

/* Maps a page by an entry of that level: 1 4 KiB, 2 2 MiB, 3 1 GiB. */
static inline void guest_map(struct guest *g, uint64_t root, unsigned int levels,
			     uint64_t virtual, uint64_t physical, unsigned int level)
{
	*guest_entry(g, root, levels, virtual, level) = physical | P | (level > 1 ? PS : 0);
}

static inline void guest_free(struct guest *g)
{
	free(g->memory);
}

#endif /* TABLES_H */
