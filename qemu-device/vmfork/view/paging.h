/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The kernel's half of a guest's address space, read from its page tables (x86-64, 4 and
 * 5 levels).  The guest may have written anything there: each table is read once, at the
 * first address that leads to it, and no more than PAGING_TABLES_MAX of them.
 */
#ifndef PAGING_H
#define PAGING_H

#include <stdbool.h>

#include "core.h"

/* 1 GiB to read at most: about a second. */
#define PAGING_TABLES_MAX	(1u << 18)

/* The ranges are in the order of their addresses, and do not overlap. */
struct paging_ram {
	const struct core_range *ranges;
	size_t n;
	core_read_ram read;
	void *ctx;
};

/* The control registers of a vCPU. */
struct paging_cpu {
	uint64_t cr0, cr3, cr4;
};

/* The tables that map most of the kernel so far.  All zero: none. */
struct paging_root {
	uint64_t table;
	unsigned int levels, score;
};

/* Neighbours in all three address spaces are one piece. */
struct paging_piece {
	uint64_t virtual, physical, offset, size;
};

struct paging_map {
	struct paging_piece *pieces;
	size_t count;
	/* References to a table that was read before, or that cannot be one. */
	size_t again, wrong;
	/* The walk ended at this address: there was too much. */
	bool full;
	uint64_t end;
};

/* 0 or -errno of a read. */
int paging_consider(struct paging_root *best, const struct paging_ram *ram,
		    const struct paging_cpu *cpu);
/* At most @limit pieces.  0 or -errno; then nothing is in @ret. */
int paging_walk(struct paging_map *ret, const struct paging_ram *ram,
		const struct paging_root *root, size_t limit);
void paging_free(struct paging_map *map);

#endif /* PAGING_H */
