/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the page tables of a guest say, and what they cannot make the walk do. */
#include "tables.h"

#define TEXT	UINT64_C(0xffffffff81000000)
#define DIRECT4	UINT64_C(0xffff888000000000)
#define DIRECT5	UINT64_C(0xff11000000000000)
#define ROOM	100

static struct paging_map walk_limit(struct guest *g, uint64_t root, unsigned int levels,
				    size_t limit)
{
	struct paging_root r = { root, levels, 1 };
	struct paging_map map;

	CHECK(paging_walk(&map, &g->ram, &r, limit) == 0);
	return map;
}

static struct paging_map walk(struct guest *g, uint64_t root, unsigned int levels)
{
	return walk_limit(g, root, levels, ROOM);
}

static bool is(const struct paging_piece *p, uint64_t virtual, uint64_t physical,
	       uint64_t offset, uint64_t size)
{
	return p->virtual == virtual && p->physical == physical && p->offset == offset &&
	       p->size == size;
}

static void each_level_and_size(void)
{
	static const uint64_t sizes[] = { 4 * KIB, 2 * MIB, GIB };

	for (unsigned int levels = 4; levels <= 5; levels++)
		for (unsigned int level = 1; level <= 3; level++) {
			uint64_t virtual = (levels == 4 ? DIRECT4 : DIRECT5) + GIB;
			struct guest g;
			struct paging_map map;
			uint64_t root;

			guest_init(&g, MIB);
			g.ranges[0].size = 4 * GIB;
			root = guest_page(&g);
			guest_map(&g, root, levels, virtual, 2 * GIB, level);
			map = walk(&g, root, levels);
			CHECK(map.count == 1 && !map.full && !map.wrong && !map.again);
			CHECK(is(map.pieces, virtual, 2 * GIB, 2 * GIB, sizes[level - 1]));
			paging_free(&map);
			guest_free(&g);
		}
}

static void neighbours_are_one_piece(void)
{
	struct paging_map map;
	struct guest g;
	uint64_t root;

	guest_init(&g, MIB);
	g.ranges[0].size = 4 * GIB;
	root = guest_page(&g);
	for (uint64_t i = 0; i < 512; i++)
		guest_map(&g, root, 4, DIRECT4 + i * 4096, 16 * MIB + i * 4096, 1);
	guest_map(&g, root, 4, DIRECT4 + 2 * MIB, 18 * MIB, 2);
	guest_map(&g, root, 4, DIRECT4 + 4 * MIB, 18 * MIB, 2);
	guest_map(&g, root, 4, DIRECT4 + 8 * MIB, 20 * MIB, 2);
	map = walk(&g, root, 4);
	CHECK(map.count == 3);
	CHECK(is(&map.pieces[0], DIRECT4, 16 * MIB, 16 * MIB, 4 * MIB));
	CHECK(is(&map.pieces[1], DIRECT4 + 4 * MIB, 18 * MIB, 18 * MIB, 2 * MIB));
	CHECK(is(&map.pieces[2], DIRECT4 + 8 * MIB, 20 * MIB, 20 * MIB, 2 * MIB));
	paging_free(&map);
	guest_free(&g);
}

/* Neighbours in the file, but not for the guest. */
static void ranges_are_apart_for_the_guest(void)
{
	struct paging_map map;
	struct guest g;
	uint64_t root;

	guest_init(&g, MIB);
	g.ranges[0] = (struct core_range) { 0, 0, 2 * MIB };
	g.ranges[1] = (struct core_range) { 8 * MIB, 2 * MIB, 2 * MIB };
	g.ram.n = 2;
	root = guest_page(&g);
	guest_map(&g, root, 4, DIRECT4, 0, 2);
	guest_map(&g, root, 4, DIRECT4 + 2 * MIB, 8 * MIB, 2);
	map = walk(&g, root, 4);
	CHECK(map.count == 2);
	CHECK(is(&map.pieces[1], DIRECT4 + 2 * MIB, 8 * MIB, 2 * MIB, 2 * MIB));
	paging_free(&map);
	guest_free(&g);
}

/* Neighbours for the guest, but not in the file. */
static void ranges_are_apart_in_the_file(void)
{
	struct paging_map map;
	struct guest g;
	uint64_t root;

	guest_init(&g, MIB);
	g.ranges[0] = (struct core_range) { 0, 0, 2 * MIB };
	g.ranges[1] = (struct core_range) { 2 * MIB, 64 * MIB, 2 * MIB };
	g.ram.n = 2;
	root = guest_page(&g);
	guest_map(&g, root, 4, DIRECT4, 0, 2);
	guest_map(&g, root, 4, DIRECT4 + 2 * MIB, 2 * MIB, 2);
	map = walk(&g, root, 4);
	CHECK(map.count == 2);
	CHECK(is(&map.pieces[0], DIRECT4, 0, 0, 2 * MIB));
	CHECK(is(&map.pieces[1], DIRECT4 + 2 * MIB, 2 * MIB, 64 * MIB, 2 * MIB));
	paging_free(&map);
	guest_free(&g);
}

/* One page of 1 GiB, in which there are devices. */
static void what_is_no_memory_is_left_out(void)
{
	struct paging_map map;
	struct guest g;
	uint64_t root;

	guest_init(&g, MIB);
	g.ranges[0] = (struct core_range) { 0, 0, 640 * KIB };
	g.ranges[1] = (struct core_range) { MIB, 640 * KIB, 2 * MIB };
	g.ranges[2] = (struct core_range) { 4 * GIB, 640 * KIB + 2 * MIB, MIB };
	g.ram.n = 3;
	root = guest_page(&g);
	guest_map(&g, root, 4, DIRECT4, 0, 3);
	guest_map(&g, root, 4, DIRECT4 + 2 * GIB, 0xfee00000, 1);
	map = walk(&g, root, 4);
	CHECK(map.count == 2);
	CHECK(is(&map.pieces[0], DIRECT4, 0, 0, 640 * KIB));
	CHECK(is(&map.pieces[1], DIRECT4 + MIB, MIB, 640 * KIB, 2 * MIB));
	paging_free(&map);
	guest_free(&g);
}

static void other_bits_are_no_address(void)
{
	struct paging_map map;
	struct guest g;
	uint64_t root;

	guest_init(&g, MIB);
	g.ranges[0].size = 4 * GIB;
	root = guest_page(&g);
	guest_map(&g, root, 4, DIRECT4, 4 * MIB, 1);
	/* PAT of a small page is the bit that makes another one large. */
	*guest_entry(&g, root, 4, DIRECT4, 1) |= NX | UINT64_C(0x7ff) << 52 | PS | 0x7e;
	guest_map(&g, root, 4, DIRECT4 + 2 * MIB, 8 * MIB, 2);
	*guest_entry(&g, root, 4, DIRECT4 + 2 * MIB, 2) |= NX | UINT64_C(1) << 12;
	*guest_entry(&g, root, 4, DIRECT4, 4) |= NX | UINT64_C(0xfe0);
	*guest_entry(&g, root, 4, DIRECT4, 4) &= ~PS;
	/* Not present: swap entries of a hostile kernel. */
	*guest_entry(&g, root, 4, DIRECT4 + 4096, 1) = 12 * MIB;
	map = walk(&g, root, 4);
	CHECK(map.count == 2 && !map.wrong);
	CHECK(is(&map.pieces[0], DIRECT4, 4 * MIB, 4 * MIB, 4096));
	CHECK(is(&map.pieces[1], DIRECT4 + 2 * MIB, 8 * MIB, 8 * MIB, 2 * MIB));
	paging_free(&map);
	guest_free(&g);
}

static void processes_are_left_out_and_text_comes_first(void)
{
	struct paging_map map;
	struct guest g;
	uint64_t root;

	guest_init(&g, 4 * MIB);
	root = guest_page(&g);
	guest_map(&g, root, 4, 0x400000, 0, 2);
	guest_map(&g, root, 4, 0x7ffffffff000, 0, 1);
	guest_map(&g, root, 4, DIRECT4, 0, 2);
	guest_map(&g, root, 4, TEXT, 2 * MIB, 2);
	map = walk(&g, root, 4);
	CHECK(map.count == 2);
	CHECK(is(&map.pieces[0], TEXT, 2 * MIB, 2 * MIB, 2 * MIB));
	CHECK(is(&map.pieces[1], DIRECT4, 0, 0, 2 * MIB));
	paging_free(&map);
	guest_free(&g);
}

static void the_last_page_would_end_at_zero(void)
{
	struct paging_map map;
	struct guest g;
	uint64_t root;

	guest_init(&g, 4 * MIB);
	root = guest_page(&g);
	guest_map(&g, root, 4, -2 * MIB, 2 * MIB, 2);
	map = walk(&g, root, 4);
	CHECK(map.count == 1);
	CHECK(is(&map.pieces[0], -2 * MIB, 2 * MIB, 2 * MIB, 2 * MIB - 4096));
	paging_free(&map);
	*guest_entry(&g, root, 4, -2 * MIB, 2) = 0;
	guest_map(&g, root, 4, -4096, MIB, 1);
	map = walk(&g, root, 4);
	CHECK(map.count == 0);
	paging_free(&map);
	guest_free(&g);
}

/* A table that maps itself, at each level: the walk ends, and has the rest. */
static void loops_end(void)
{
	for (unsigned int level = 2; level <= 5; level++) {
		/* By another entry of the root. */
		uint64_t virtual = DIRECT5 + (UINT64_C(1) << 48), root;
		struct paging_map map;
		struct guest g;

		guest_init(&g, MIB);
		root = guest_page(&g);
		guest_map(&g, root, 5, DIRECT5, 0, 1);
		*guest_entry(&g, root, 5, virtual, level) = root | P;
		map = walk(&g, root, 5);
		CHECK(map.again == 1 && !map.full);
		CHECK(map.count == 1 && is(map.pieces, DIRECT5, 0, 0, 4096));
		CHECK(g.reads <= 10);
		paging_free(&map);
		guest_free(&g);
	}
}

/* 2^44 names for one page by four tables. */
static void aliases_cost_nothing(void)
{
	uint64_t tables[4];
	struct paging_map map;
	struct guest g;

	guest_init(&g, MIB);
	for (size_t i = 0; i < 4; i++)
		tables[i] = guest_page(&g);
	for (size_t i = 0; i < 4; i++)
		for (size_t e = 0; e < 512; e++)
			guest_table(&g, tables[i])[e] = (i < 3 ? tables[i + 1] : 0) | P;
	map = walk_limit(&g, tables[0], 4, 1000);
	CHECK(map.count == 512 && !map.full);
	CHECK(map.again == 255 + 511 + 511);
	CHECK(g.reads == 4);
	paging_free(&map);
	guest_free(&g);
}

static void wrong_tables_are_counted(void)
{
	struct paging_map map;
	struct guest g;
	uint64_t root;

	guest_init(&g, MIB);
	/* A hole in the middle. */
	g.ranges[0].size = MIB / 2;
	g.ranges[1] = (struct core_range) { 2 * MIB, MIB / 2, MIB / 2 };
	g.ram.n = 2;
	root = guest_page(&g);
	guest_map(&g, root, 4, DIRECT4, 0, 1);
	*guest_entry(&g, root, 4, DIRECT4 + GIB, 3) = MIB | P;
	*guest_entry(&g, root, 4, DIRECT4 + 2 * GIB, 3) = UINT64_C(0xffffffffff000) | P;
	/* There are no pages of 512 GiB. */
	*guest_entry(&g, root, 4, DIRECT4 + 512 * GIB, 4) = P | PS;
	map = walk(&g, root, 4);
	CHECK(map.count == 1 && map.wrong == 3 && !map.full);
	paging_free(&map);
	guest_free(&g);
}

static void pieces_are_bounded(void)
{
	struct paging_map map;
	struct guest g;
	uint64_t root;

	guest_init(&g, MIB);
	root = guest_page(&g);
	for (uint64_t i = 0; i < 200; i++)
		guest_map(&g, root, 4, DIRECT4 + i * 8192, 0, 1);
	map = walk(&g, root, 4);
	CHECK(map.count == ROOM && map.full && map.end == DIRECT4 + ROOM * 8192);
	paging_free(&map);
	map = walk_limit(&g, root, 4, 200);
	CHECK(map.count == 200 && !map.full);
	paging_free(&map);
	guest_free(&g);
}

static unsigned int made;

/* Each table leads to 512 new ones. */
static int endless(void *ctx, uint64_t offset, void *buf, size_t size)
{
	uint64_t *table = buf;

	(void)ctx;
	(void)offset;
	CHECK(size == 4096);
	made++;
	for (uint64_t i = 0; i < 512; i++)
		table[i] = (512 * UINT64_C(4096) * made + i * 4096) | P;
	return 0;
}

static void tables_are_bounded(void)
{
	struct core_range all = { 0, 0, CORE_RAM_MAX / 16 };
	struct paging_ram ram = { &all, 1, endless, NULL };
	struct paging_root root = { 0, 4, 1 };
	struct paging_map map;

	CHECK(paging_walk(&map, &ram, &root, 1000000) == 0);
	CHECK(map.full && made == PAGING_TABLES_MAX + 1);
	paging_free(&map);
}

static void failed_reads_are_reported(void)
{
	struct paging_root root = { 0, 4, 1 }, best = { 0 };
	struct paging_cpu cpu = { PG, 0, PAE };
	struct paging_map map = { .count = 42 };
	struct guest g;

	guest_init(&g, MIB);
	g.fail = -EIO;
	CHECK(paging_walk(&map, &g.ram, &root, ROOM) == -EIO && map.count == 42);
	CHECK(paging_consider(&best, &g.ram, &cpu) == -EIO && !best.levels);
	guest_free(&g);
}

static void without_a_root_there_is_nothing(void)
{
	struct paging_root none = { 0 };
	struct paging_map map;
	struct guest g;

	guest_init(&g, MIB);
	CHECK(paging_walk(&map, &g.ram, &none, ROOM) == 0 && !map.count && !g.reads);
	guest_free(&g);
}

static struct paging_root consider(struct guest *g, struct paging_root best, uint64_t cr0,
				   uint64_t cr3, uint64_t cr4)
{
	CHECK(paging_consider(&best, &g->ram, &(struct paging_cpu) { cr0, cr3, cr4 }) == 0);
	return best;
}

static void the_root_is_that_of_a_kernel(void)
{
	struct paging_root none = { 0 }, best;
	uint64_t few, many;
	struct guest g;

	guest_init(&g, MIB);
	few = guest_page(&g);
	many = guest_page(&g);
	guest_map(&g, few, 4, TEXT, 0, 1);
	guest_map(&g, many, 4, TEXT, 0, 1);
	guest_map(&g, many, 4, DIRECT4, 0, 1);
	CHECK(!consider(&g, none, 0, few, PAE).levels);
	CHECK(!consider(&g, none, PG, few, 0).levels);
	CHECK(!consider(&g, none, PG, MIB, PAE).levels);
	/* PCID, and the bits that mask addresses. */
	best = consider(&g, none, PG, few | 0xfff | UINT64_C(3) << 61, PAE);
	CHECK(best.table == few && best.levels == 4 && best.score == 1);
	best = consider(&g, best, PG, many, PAE);
	CHECK(best.table == many && best.score == 2);
	CHECK(consider(&g, best, PG, few, PAE).table == many);
	CHECK(consider(&g, none, PG, many, PAE | LA57).levels == 5);
	guest_free(&g);
}

/* A vCPU in a program: its own root hardly has the kernel, the page before has it. */
static void isolation_is_seen_through(void)
{
	struct paging_root none = { 0 };
	uint64_t kernel, user;
	struct guest g;

	guest_init(&g, MIB);
	kernel = guest_page(&g);
	user = guest_page(&g);
	guest_map(&g, kernel, 4, 0x400000, 0, 1);
	guest_map(&g, kernel, 4, DIRECT4, 0, 1);
	guest_map(&g, kernel, 4, TEXT, 0, 1);
	guest_map(&g, user, 4, TEXT, 0, 1);
	/* Programs do not run on the kernel's root. */
	guest_table(&g, user)[0] = guest_table(&g, kernel)[0];
	guest_table(&g, kernel)[0] |= NX;
	CHECK(consider(&g, none, PG, user, PAE).table == kernel);
	guest_table(&g, user)[0] ^= 4096;
	CHECK(consider(&g, none, PG, user, PAE).table == user);
	guest_table(&g, user)[0] = guest_table(&g, kernel)[0] = 0;
	CHECK(consider(&g, none, PG, user, PAE).table == user);
	guest_free(&g);
}

int main(void)
{
	each_level_and_size();
	neighbours_are_one_piece();
	ranges_are_apart_for_the_guest();
	ranges_are_apart_in_the_file();
	what_is_no_memory_is_left_out();
	other_bits_are_no_address();
	processes_are_left_out_and_text_comes_first();
	the_last_page_would_end_at_zero();
	loops_end();
	aliases_cost_nothing();
	wrong_tables_are_counted();
	pieces_are_bounded();
	tables_are_bounded();
	failed_reads_are_reported();
	without_a_root_there_is_nothing();
	the_root_is_that_of_a_kernel();
	isolation_is_seen_through();
	return 0;
}
