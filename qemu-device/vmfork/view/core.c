/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "core.h"
#include "paging.h"

/* dump-guest-memory writes one program header for the notes, and few for memory. */
#define PROGRAM_HEADERS_MAX	64
/* Where QEMU's note of a vCPU (version 1) has the control registers. */
#define CPU_CR0			392
#define CPU_CR3			416
#define CPU_CR4			424
#define CPU_SIZE		440
#define REMARK_OWNER		"vmfork"

struct core {
	uint8_t *head;
	uint64_t head_size, ram_size;
	char remark[256];
};

/* What a core is made of. */
struct parts {
	struct core_range *ranges;
	size_t n;
	uint8_t *notes;
	size_t notes_size;
	struct paging_root root;
	struct paging_map map;
};

/* --- The ranges ------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct core_range *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static int by_offset(const void *a, const void *b)
{
	const struct core_range *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static bool range_valid(const struct core_range *r)
{
	return r->size && r->size <= CORE_RAM_MAX && r->offset <= CORE_RAM_MAX - r->size &&
	       r->address < CORE_PHYSICAL &&
	       (r->address | r->offset | r->size) % CORE_PAGE == 0;
}

static bool ranges_join(const struct core_range *a, const struct core_range *b)
{
	return a->address + a->size == b->address && a->offset + a->size == b->offset;
}

/* Checks what is in the order of addresses, and joins neighbours. */
static int ranges_join_all(struct parts *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct core_range *r = &p->ranges[i], *last = n ? &p->ranges[n - 1] : NULL;

		if (!range_valid(r) || (last && last->address + last->size > r->address))
			return -EINVAL;
		if (last && ranges_join(last, r))
			last->size += r->size;
		else
			p->ranges[n++] = *r;
	}
	p->n = n;
	return 0;
}

static int ranges_copy(struct parts *p, const struct core_range *ranges, size_t n)
{
	if (n > CORE_RANGES_MAX)
		return -E2BIG;
	if (!n)
		return -EINVAL;
	p->ranges = malloc(n * sizeof(*ranges));
	if (!p->ranges)
		return -ENOMEM;
	memcpy(p->ranges, ranges, n * sizeof(*ranges));
	p->n = n;
	qsort(p->ranges, n, sizeof(*ranges), by_address);
	return ranges_join_all(p);
}

/* --- The notes -------------------------------------------------------------- */

/* pread() refuses an offset that makes no sense. */
static int read_at(int fd, void *buf, size_t size, uint64_t offset)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(fd, (char *)buf + done, size - done, offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno != EINVAL ? -errno : -EBADMSG;
		done += n;
	}
	return 0;
}

static int header_check(const Elf64_Ehdr *e)
{
	if (memcmp(e->e_ident, ELFMAG, SELFMAG))
		return -EBADMSG;
	if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64)
		return -EOPNOTSUPP;
	if (e->e_ident[EI_DATA] != ELFDATA2LSB || e->e_type != ET_CORE ||
	    e->e_phentsize != sizeof(Elf64_Phdr))
		return -EBADMSG;
	return 0;
}

/* The program header of the notes. */
static int notes_find(int fd, Elf64_Phdr *ret)
{
	Elf64_Ehdr e;
	int r = read_at(fd, &e, sizeof(e), 0);

	if (!r)
		r = header_check(&e);
	for (size_t i = 0; !r && i < PROGRAM_HEADERS_MAX && i < e.e_phnum; i++) {
		r = read_at(fd, ret, sizeof(*ret), e.e_phoff + i * sizeof(*ret));
		if (!r && ret->p_type == PT_NOTE)
			return 0;
	}
	return r ? r : -EBADMSG;
}

static int notes_read(struct parts *p, int fd)
{
	Elf64_Phdr ph;
	int r = notes_find(fd, &ph);

	if (r < 0)
		return r;
	if (!ph.p_filesz || ph.p_filesz > CORE_NOTES_MAX)
		return -EBADMSG;
	p->notes = malloc(ph.p_filesz);
	if (!p->notes)
		return -ENOMEM;
	p->notes_size = ph.p_filesz;
	return read_at(fd, p->notes, p->notes_size, ph.p_offset);
}

static uint64_t word_align(uint64_t size)
{
	return (size + 3) & ~UINT64_C(3);
}

struct note {
	Elf64_Nhdr head;
	const uint8_t *name, *desc;
};

/* The note at *@at, which then is the next one's place.  1, 0 at the end, or -EBADMSG. */
static int note_next(const struct parts *p, size_t *at, struct note *ret)
{
	uint64_t left = p->notes_size - *at, name, desc;

	if (!left)
		return 0;
	if (left < sizeof(ret->head))
		return -EBADMSG;
	memcpy(&ret->head, p->notes + *at, sizeof(ret->head));
	name = word_align(ret->head.n_namesz);
	desc = word_align(ret->head.n_descsz);
	left -= sizeof(ret->head);
	if (name > left || desc > left - name)
		return -EBADMSG;
	ret->name = p->notes + *at + sizeof(ret->head);
	ret->desc = ret->name + name;
	*at += sizeof(ret->head) + name + desc;
	return 1;
}

static bool note_is_cpu(const struct note *n)
{
	return n->head.n_namesz == sizeof("QEMU") && !memcmp(n->name, "QEMU", sizeof("QEMU")) &&
	       n->head.n_descsz >= CPU_SIZE;
}

static uint64_t note_word(const struct note *n, size_t at)
{
	uint64_t word;

	memcpy(&word, n->desc + at, sizeof(word));
	return word;
}

/* All notes must be sound, for the tools read them as well. */
static int notes_walk(struct parts *p, const struct paging_ram *ram)
{
	struct note note;
	size_t at = 0;
	int r;

	while ((r = note_next(p, &at, &note)) > 0) {
		if (!note_is_cpu(&note))
			continue;
		r = paging_consider(&p->root, ram, &(struct paging_cpu) {
			.cr0 = note_word(&note, CPU_CR0), .cr3 = note_word(&note, CPU_CR3),
			.cr4 = note_word(&note, CPU_CR4),
		});
		if (r < 0)
			break;
	}
	return r;
}

/* --- The layout ------------------------------------------------------------- */

static void remark(struct core *c, const struct parts *p)
{
	const struct paging_map *map = &p->map;

	if (!p->root.levels)
		snprintf(c->remark, sizeof(c->remark),
			 "no kernel addresses: no vCPU has page tables with a kernel in them");
	else if (map->full)
		snprintf(c->remark, sizeof(c->remark),
			 "no kernel addresses from 0x%llx on: the page tables have more pieces "
			 "than %d, or are more than %u", (unsigned long long)map->end,
			 CORE_SEGMENTS_MAX, PAGING_TABLES_MAX);
	else if (map->wrong)
		snprintf(c->remark, sizeof(c->remark),
			 "%zu entries of page tables are left out: they lead out of memory",
			 map->wrong);
}

static size_t remark_size(const struct core *c)
{
	return c->remark[0] ? sizeof(Elf64_Nhdr) + word_align(sizeof(REMARK_OWNER)) +
			      word_align(strlen(c->remark) + 1) : 0;
}

/* The buffer is zero, hence so is what aligns. */
static void remark_write(const struct core *c, uint8_t *at)
{
	Elf64_Nhdr head = {
		.n_namesz = sizeof(REMARK_OWNER), .n_descsz = strlen(c->remark) + 1, .n_type = 1,
	};

	if (!c->remark[0])
		return;
	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), REMARK_OWNER, sizeof(REMARK_OWNER));
	memcpy(at + sizeof(head) + word_align(sizeof(REMARK_OWNER)), c->remark, head.n_descsz);
}

static void header_write(struct core *c, size_t segments)
{
	Elf64_Ehdr e = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_phoff = sizeof(e), .e_ehsize = sizeof(e),
		.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = segments,
	};

	memcpy(c->head, &e, sizeof(e));
}

static Elf64_Phdr segment(const struct core *c, uint64_t virtual, uint64_t physical,
			  uint64_t offset, uint64_t size)
{
	return (Elf64_Phdr) {
		.p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X,
		.p_vaddr = virtual, .p_paddr = physical, .p_offset = c->head_size + offset,
		.p_filesz = size, .p_memsz = size,
	};
}

/*
 * Physical memory first, from the start of the file on: crash takes all that is before the
 * first segment for headers, and the first segment that has an address for the right one.
 */
static void segments_write(struct core *c, struct parts *p, Elf64_Phdr *to)
{
	qsort(p->ranges, p->n, sizeof(*p->ranges), by_offset);
	for (size_t i = 0; i < p->n; i++) {
		const struct core_range *r = &p->ranges[i];

		*to++ = segment(c, CORE_PHYSICAL + r->address, r->address, r->offset, r->size);
	}
	for (size_t i = 0; i < p->map.count; i++) {
		const struct paging_piece *m = &p->map.pieces[i];

		*to++ = segment(c, m->virtual, m->physical, m->offset, m->size);
	}
}

static uint64_t ranges_end(const struct parts *p)
{
	uint64_t end = 0;

	for (size_t i = 0; i < p->n; i++)
		if (end < p->ranges[i].offset + p->ranges[i].size)
			end = p->ranges[i].offset + p->ranges[i].size;
	return end;
}

static int layout(struct core *c, struct parts *p)
{
	size_t segments = 1 + p->n + p->map.count;
	size_t notes_at = sizeof(Elf64_Ehdr) + segments * sizeof(Elf64_Phdr), notes_end;
	Elf64_Phdr *ph;

	remark(c, p);
	notes_end = notes_at + p->notes_size + remark_size(c);
	c->ram_size = ranges_end(p);
	c->head_size = (notes_end + CORE_PAGE - 1) & -CORE_PAGE;
	c->head = calloc(1, c->head_size);
	if (!c->head)
		return -ENOMEM;
	header_write(c, segments);
	ph = (Elf64_Phdr *)(c->head + sizeof(Elf64_Ehdr));
	*ph = (Elf64_Phdr) {
		.p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = notes_end - notes_at,
	};
	segments_write(c, p, ph + 1);
	memcpy(c->head + notes_at, p->notes, p->notes_size);
	remark_write(c, c->head + notes_at + p->notes_size);
	return 0;
}

/* --- The whole -------------------------------------------------------------- */

static int collect(struct parts *p, int notes_fd, const struct paging_ram *given)
{
	struct paging_ram ram = *given;
	int r = ranges_copy(p, given->ranges, given->n);

	if (r < 0)
		return r;
	ram.ranges = p->ranges;
	ram.n = p->n;
	r = notes_read(p, notes_fd);
	if (r < 0)
		return r;
	r = notes_walk(p, &ram);
	if (r < 0)
		return r;
	return paging_walk(&p->map, &ram, &p->root, CORE_SEGMENTS_MAX - 1 - p->n);
}

int core_build(struct core **ret, int notes_fd, const struct core_range *ranges,
	       size_t n, core_read_ram read, void *ctx)
{
	struct paging_ram ram = { .ranges = ranges, .n = n, .read = read, .ctx = ctx };
	struct core *c = calloc(1, sizeof(*c));
	struct parts parts = { 0 };
	int r;

	if (!c)
		return -ENOMEM;
	r = collect(&parts, notes_fd, &ram);
	if (!r)
		r = layout(c, &parts);
	paging_free(&parts.map);
	free(parts.ranges);
	free(parts.notes);
	if (r < 0) {
		core_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

uint64_t core_size(const struct core *c)
{
	return c->head_size + c->ram_size;
}

int core_map(const struct core *c, uint64_t at, struct core_piece *ret)
{
	if (at >= core_size(c))
		return -ENXIO;
	if (at < c->head_size)
		*ret = (struct core_piece) {
			.bytes = c->head + at, .size = c->head_size - at,
		};
	else
		*ret = (struct core_piece) {
			.ram_offset = at - c->head_size, .size = core_size(c) - at,
		};
	return 0;
}

const char *core_remark(const struct core *c)
{
	return c->remark[0] ? c->remark : NULL;
}

void core_free(struct core *c)
{
	if (!c)
		return;
	free(c->head);
	free(c);
}
