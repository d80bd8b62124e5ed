/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "paging.h"

/* Tables are read as they are. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "an x86 guest is little endian");

#define CR0_PG		(UINT64_C(1) << 31)
#define CR4_PAE		(UINT64_C(1) << 5)
#define CR4_LA57	(UINT64_C(1) << 12)

#define ENTRIES		512
#define KERNEL		256	/* the first entry of a root for the upper half */
#define PRESENT		UINT64_C(1)
#define LARGE		(UINT64_C(1) << 7)
#define ADDRESS		UINT64_C(0x000ffffffffff000)

struct walk {
	const struct paging_ram *ram;
	struct paging_map *map;
	size_t limit, room, tables;
	/* A bit for each page of "ram": it was read as a table. */
	uint8_t *seen;
};

/* The first range that ends behind @address, or the end of the list. */
static const struct core_range *ram_range(const struct paging_ram *ram, uint64_t address)
{
	size_t low = 0, high = ram->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct core_range *r = &ram->ranges[middle];

		if (address < r->address + r->size)
			high = middle;
		else
			low = middle + 1;
	}
	return &ram->ranges[low];
}

/* Where "ram" has the page at @address: false where it has none. */
static bool ram_page(const struct paging_ram *ram, uint64_t address, uint64_t *offset)
{
	const struct core_range *r = ram_range(ram, address);

	if (r == ram->ranges + ram->n || address < r->address)
		return false;
	*offset = r->offset + (address - r->address);
	return true;
}

/* 1, 0 when the table is not in RAM, or -errno. */
static int read_table(const struct paging_ram *ram, uint64_t address, uint64_t *table)
{
	uint64_t offset;
	int r;

	if (!ram_page(ram, address, &offset))
		return 0;
	r = ram->read(ram->ctx, offset, table, ENTRIES * sizeof(*table));
	return r < 0 ? r : 1;
}

static unsigned int kernel_entries(const struct paging_ram *ram, const uint64_t *table)
{
	unsigned int n = 0;
	uint64_t offset;

	for (size_t i = KERNEL; i < ENTRIES; i++)
		n += (table[i] & PRESENT) && ram_page(ram, table[i] & ADDRESS, &offset);
	return n;
}

/* Both map the same processes' half, and there is one. */
static bool same_process(const uint64_t *a, const uint64_t *b)
{
	uint64_t any = 0;

	for (size_t i = 0; i < KERNEL; i++) {
		if ((a[i] ^ b[i]) & (ADDRESS | PRESENT))
			return false;
		any |= a[i] & PRESENT;
	}
	return any;
}

static void take_better(struct paging_root *best, const struct paging_root *other)
{
	if (other->score > best->score)
		*best = *other;
}

/*
 * With page table isolation a vCPU that runs a program has a root that hardly maps the
 * kernel.  The kernel's own is the page before.
 */
static int consider_sibling(struct paging_root *best, const struct paging_ram *ram,
			    struct paging_root root, const uint64_t *table)
{
	uint64_t sibling[ENTRIES];
	int r;

	if (!(root.table & CORE_PAGE))
		return 0;
	root.table -= CORE_PAGE;
	r = read_table(ram, root.table, sibling);
	if (r <= 0 || !same_process(table, sibling))
		return r < 0 ? r : 0;
	root.score = kernel_entries(ram, sibling);
	take_better(best, &root);
	return 0;
}

int paging_consider(struct paging_root *best, const struct paging_ram *ram,
		    const struct paging_cpu *cpu)
{
	struct paging_root root = {
		.table = cpu->cr3 & ADDRESS,
		.levels = cpu->cr4 & CR4_LA57 ? 5 : 4,
	};
	uint64_t table[ENTRIES];
	int r;

	/* A vCPU that was not started yet has nothing to say. */
	if (!(cpu->cr0 & CR0_PG) || !(cpu->cr4 & CR4_PAE))
		return 0;
	r = read_table(ram, root.table, table);
	if (r <= 0)
		return r;
	root.score = kernel_entries(ram, table);
	take_better(best, &root);
	return consider_sibling(best, ram, root, table);
}

/* The rest stays unread: 1. */
static int end_walk(struct walk *w, uint64_t virtual)
{
	w->map->full = true;
	w->map->end = virtual;
	return 1;
}

static bool joins(const struct paging_piece *a, const struct paging_piece *b)
{
	return a->virtual + a->size == b->virtual && a->physical + a->size == b->physical &&
	       a->offset + a->size == b->offset;
}

static int grow(struct walk *w)
{
	size_t room = w->room ? 2 * w->room : 64;
	void *p;

	if (w->map->count < w->room)
		return 0;
	p = realloc(w->map->pieces, room * sizeof(*w->map->pieces));
	if (!p)
		return -ENOMEM;
	w->map->pieces = p;
	w->room = room;
	return 0;
}

static int add_piece(struct walk *w, const struct paging_piece *piece)
{
	struct paging_map *map = w->map;
	int r;

	if (map->count && joins(&map->pieces[map->count - 1], piece)) {
		map->pieces[map->count - 1].size += piece->size;
		return 0;
	}
	if (map->count == w->limit)
		return end_walk(w, piece->virtual);
	r = grow(w);
	if (r < 0)
		return r;
	map->pieces[map->count++] = *piece;
	return 0;
}

/*
 * A page that the guest mapped: as much of it as is RAM.  A segment that ends where the
 * address space does would end at 0, so the last 4 KiB are left out.
 */
static int add_page(struct walk *w, uint64_t virtual, uint64_t physical, uint64_t size)
{
	const struct core_range *r = ram_range(w->ram, physical);
	const struct core_range *last = w->ram->ranges + w->ram->n;
	uint64_t end = physical + size - (virtual + size ? 0 : CORE_PAGE);
	int status = 0;

	for (; !status && physical < end && r < last && r->address < end; r++) {
		uint64_t from = physical < r->address ? r->address : physical;
		uint64_t to = end < r->address + r->size ? end : r->address + r->size;

		status = add_piece(w, &(struct paging_piece) {
			.virtual = virtual + (from - physical), .physical = from,
			.offset = r->offset + (from - r->address), .size = to - from,
		});
	}
	return status;
}

static uint64_t span(unsigned int level)
{
	return UINT64_C(1) << (12 + 9 * (level - 1));
}

/*
 * 1 for a table that is to be read now.  Another look at one would end in a loop, or, as
 * the shadow memory of a debug kernel does, in millions of names for the same pages.
 */
static int fresh_table(struct walk *w, uint64_t address)
{
	uint64_t offset;
	uint8_t bit;

	if (!ram_page(w->ram, address, &offset)) {
		w->map->wrong++;
		return 0;
	}
	offset /= CORE_PAGE;
	bit = 1 << (offset % 8);
	if (w->seen[offset / 8] & bit) {
		w->map->again++;
		return 0;
	}
	w->seen[offset / 8] |= bit;
	return 1;
}

static int walk_table(struct walk *w, uint64_t address, unsigned int level, uint64_t virtual);

/* 0 to go on, 1 to end, or -errno; so do all that follow. */
static int walk_entry(struct walk *w, uint64_t entry, unsigned int level, uint64_t virtual)
{
	if (!(entry & PRESENT))
		return 0;
	if (level == 1 || (level <= 3 && entry & LARGE))
		return add_page(w, virtual, entry & ADDRESS & -span(level), span(level));
	if (entry & LARGE) {
		w->map->wrong++;
		return 0;
	}
	return walk_table(w, entry & ADDRESS, level - 1, virtual);
}

static int walk_table(struct walk *w, uint64_t address, unsigned int level, uint64_t virtual)
{
	uint64_t table[ENTRIES];
	int r = fresh_table(w, address);

	if (r <= 0)
		return r;
	if (w->tables++ == PAGING_TABLES_MAX)
		return end_walk(w, virtual);
	r = read_table(w->ram, address, table);
	if (r < 0)
		return r;
	r = 0;
	for (size_t i = 0; !r && i < ENTRIES; i++)
		r = walk_entry(w, table[i], level, virtual + i * span(level));
	return r;
}

/* The last entry first: Linux has its text there, which is wanted most. */
static int walk_root(struct walk *w, const struct paging_root *root)
{
	uint64_t table[ENTRIES], sign = -span(root->levels + 1);
	int r = fresh_table(w, root->table);

	if (r <= 0)
		return r;
	r = read_table(w->ram, root->table, table);
	if (r < 0)
		return r;
	r = walk_entry(w, table[ENTRIES - 1], root->levels, -span(root->levels));
	for (size_t i = KERNEL; !r && i < ENTRIES - 1; i++)
		r = walk_entry(w, table[i], root->levels, sign + i * span(root->levels));
	return r;
}

static uint64_t ram_end(const struct paging_ram *ram)
{
	uint64_t end = 0;

	for (size_t i = 0; i < ram->n; i++)
		if (end < ram->ranges[i].offset + ram->ranges[i].size)
			end = ram->ranges[i].offset + ram->ranges[i].size;
	return end;
}

int paging_walk(struct paging_map *ret, const struct paging_ram *ram,
		const struct paging_root *root, size_t limit)
{
	struct paging_map map = { 0 };
	struct walk w = { .ram = ram, .map = &map, .limit = limit };
	int r = 0;

	w.seen = calloc(1, ram_end(ram) / CORE_PAGE / 8 + 1);
	if (!w.seen)
		return -ENOMEM;
	if (root->levels)
		r = walk_root(&w, root);
	free(w.seen);
	if (r < 0) {
		paging_free(&map);
		return r;
	}
	*ret = map;
	return 0;
}

void paging_free(struct paging_map *map)
{
	free(map->pieces);
	*map = (struct paging_map) { 0 };
}
