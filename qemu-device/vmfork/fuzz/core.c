/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The notes and the page tables of a hostile guest.  The input is a byte that says which
 * of the two are wild, then the notes or only the registers, then entries of tables.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "paging.h"

#define MUST(cond)	do { if (!(cond)) abort(); } while (0)
#define PAGES		16
#define SIZE		(PAGES * CORE_PAGE)
#define WILD_NOTES	1
#define WILD_RANGES	2
#define HOLE		4
#define NOTES_AT	(sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr))

struct notes {
	Elf64_Ehdr e;
	Elf64_Phdr ph;
	Elf64_Nhdr head;
	char name[8];
	uint8_t desc[440];
};

/* There are 4 bytes behind them. */
#define NOTES_END	((ssize_t)offsetof(struct notes, desc) + 440)

/* An entry of a table, smaller than the real one. */
struct op {
	uint8_t page, flags;
	uint16_t index;
	uint8_t target, high;
};

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t ram[SIZE];
static unsigned int reads;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t take(struct input *in, void *to, size_t want)
{
	size_t n = in->size < want ? in->size : want;

	memcpy(to, in->data, n);
	in->data += n;
	in->size -= n;
	return n;
}

static int read_ram(void *ctx, uint64_t offset, void *buf, size_t size)
{
	(void)ctx;
	reads++;
	/* Wild ranges lead anywhere in a file. */
	if (offset > SIZE - size)
		return -EIO;
	memcpy(buf, ram + offset, size);
	return 0;
}

/* Sound ones, in which the registers, or any bit, are the input's. */
static void make_notes(struct input *in, bool wild, struct notes *n)
{
	struct notes noise = { 0 };

	*n = (struct notes) {
		.e = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_CORE, .e_machine = EM_X86_64, .e_phoff = sizeof(n->e),
			.e_phentsize = sizeof(n->ph), .e_phnum = 1,
		},
		.ph = { .p_type = PT_NOTE, .p_offset = NOTES_AT, .p_filesz = NOTES_END - NOTES_AT },
		.head = { 5, 440, 0 }, .name = "QEMU",
	};
	n->desc[392 + 3] = 0x80;	/* CR0.PG */
	take(in, n->desc + 416, 2);	/* CR3 */
	take(in, n->desc + 424, 2);	/* CR4 */
	n->desc[424] |= 0x20;
	if (wild)
		take(in, &noise, NOTES_END);
	for (ssize_t i = 0; i < NOTES_END; i++)
		((uint8_t *)n)[i] ^= ((uint8_t *)&noise)[i];
}

static void make_tables(struct input *in)
{
	struct op op;

	memset(ram, 0, sizeof(ram));
	while (take(in, &op, sizeof(op)) == sizeof(op)) {
		uint64_t entry = op.flags | (uint64_t)op.target << 12 | (uint64_t)op.high << 45;

		memcpy(ram + (op.page % PAGES * 512 + op.index % 512) * 8, &entry, 8);
	}
}

static size_t make_ranges(struct input *in, uint8_t how, struct core_range *r)
{
	r[0] = (struct core_range) { 0, 0, SIZE };
	if (how & WILD_RANGES) {
		take(in, r, 2 * sizeof(*r));
		return 2;
	}
	if (!(how & HOLE))
		return 1;
	r[0].size = SIZE / 2;
	r[1] = (struct core_range) { SIZE, SIZE / 2, SIZE / 2 };
	return 2;
}

static void check_segment(const Elf64_Phdr *p, uint64_t head, uint64_t size)
{
	MUST(p->p_type == PT_LOAD && p->p_filesz == p->p_memsz && p->p_filesz);
	MUST(p->p_offset >= head && p->p_offset <= size && p->p_filesz <= size - p->p_offset);
	MUST(p->p_vaddr + p->p_memsz > p->p_vaddr);
	MUST(p->p_vaddr == CORE_PHYSICAL + p->p_paddr || p->p_vaddr >> 56 == 0xff);
}

static void check(const struct core *c)
{
	struct core_piece p;
	const Elf64_Ehdr *e;
	const Elf64_Phdr *ph;
	uint64_t at = 0;

	MUST(!core_map(c, 0, &p) && p.bytes);
	e = p.bytes;
	ph = (const Elf64_Phdr *)(e + 1);
	MUST(e->e_phnum >= 2 && e->e_phnum <= CORE_SEGMENTS_MAX);
	MUST(ph[0].p_type == PT_NOTE && ph[0].p_offset + ph[0].p_filesz <= p.size);
	MUST(ph[1].p_offset >= p.size);
	for (size_t i = 1; i < e->e_phnum; i++)
		check_segment(&ph[i], p.size, core_size(c));
	for (; !core_map(c, at, &p); at += p.size)
		MUST(p.size && (p.bytes || p.ram_offset < core_size(c)));
	MUST(at == core_size(c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct input in = { data, size };
	struct core_range ranges[2];
	struct core *c = NULL;
	struct notes notes;
	uint8_t how = 0;
	size_t n;
	int r;

	if (fd < 0)
		fd = memfd_create("notes", MFD_CLOEXEC);
	take(&in, &how, 1);
	make_notes(&in, how & WILD_NOTES, &notes);
	MUST(pwrite(fd, &notes, NOTES_END, 0) == NOTES_END);
	n = make_ranges(&in, how, ranges);
	make_tables(&in);
	reads = 0;
	r = core_build(&c, fd, ranges, n, read_ram, NULL);
	MUST(!r == !!c);
	MUST(!r || r == -EBADMSG || r == -EOPNOTSUPP || r == -EINVAL || r == -EIO);
	/* One for each page, and two for each vCPU that the notes have room for. */
	MUST(how & WILD_RANGES || reads <= PAGES + 4);
	if (c)
		check(c);
	core_free(c);
	return 0;
}
