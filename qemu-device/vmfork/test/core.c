/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a core looks like, and what a malformed file of notes leads to. */
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "tables.h"

#define DIRECT	UINT64_C(0xffff888000000000)
#define NOTES	(sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr))

/* What dump-guest-memory writes of a machine with one vCPU. */
struct file {
	Elf64_Ehdr e;
	Elf64_Phdr ph[2];
	struct {
		Elf64_Nhdr head;
		char name[8];
		uint8_t desc[336];
	} prstatus;
	struct {
		Elf64_Nhdr head;
		char name[8];
		uint8_t desc[440];
	} cpu;
	struct {
		Elf64_Nhdr head;
		char name[12];
		char desc[16];
	} vmcoreinfo;
};

static void set_register(struct file *f, size_t at, uint64_t value)
{
	memcpy(f->cpu.desc + at, &value, sizeof(value));
}

static struct file sound(void)
{
	struct file f = {
		.e = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_CORE, .e_machine = EM_X86_64, .e_phoff = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2,
		},
		.ph = {
			{ .p_type = PT_NOTE, .p_offset = NOTES, .p_filesz = sizeof(f) - NOTES },
			{ .p_type = PT_LOAD, .p_offset = sizeof(f) },
		},
		.prstatus = { { 5, 336, NT_PRSTATUS }, "CORE", { 1 } },
		.cpu = { { 5, 440, 0 }, "QEMU", { 1 } },
		.vmcoreinfo = { { 11, 16, 0 }, "VMCOREINFO", "OSRELEASE=6.1\n" },
	};

	set_register(&f, 392, PG);
	set_register(&f, 424, PAE);
	return f;
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("notes", MFD_CLOEXEC);

	CHECK(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}

static int build_size(struct core **ret, struct guest *g, const struct file *f, size_t size)
{
	int fd = file_of(f, size);
	int r = core_build(ret, fd, g->ranges, g->ram.n, guest_read, g);

	close(fd);
	return r;
}

static int build(struct core **ret, struct guest *g, const struct file *f)
{
	return build_size(ret, g, f, sizeof(*f));
}

/* A machine of 1 MiB, whose kernel maps it where Linux does. */
static void machine(struct guest *g)
{
	uint64_t root;

	guest_init(g, MIB);
	root = guest_page(g);
	for (uint64_t at = 0; at < MIB; at += 4096)
		guest_map(g, root, 4, DIRECT + at, at, 1);
}

static const uint8_t *head_of(const struct core *c, uint64_t *size)
{
	struct core_piece p;

	CHECK(core_map(c, 0, &p) == 0 && p.bytes);
	*size = p.size;
	return p.bytes;
}

static const Elf64_Phdr *segments_of(const struct core *c)
{
	uint64_t size;

	return (const Elf64_Phdr *)(head_of(c, &size) + sizeof(Elf64_Ehdr));
}

static size_t count_of(const struct core *c)
{
	uint64_t size;

	return ((const Elf64_Ehdr *)head_of(c, &size))->e_phnum;
}

static bool is_load(const Elf64_Phdr *p, uint64_t virtual, uint64_t physical,
		    uint64_t offset, uint64_t size)
{
	/* crash takes a file whose segments are aligned for another kind of core. */
	return p->p_type == PT_LOAD && p->p_vaddr == virtual && p->p_paddr == physical &&
	       p->p_offset == offset && p->p_filesz == size && p->p_memsz == size && !p->p_align;
}

static void headers_notes_and_memory(void)
{
	struct file f = sound();
	const Elf64_Phdr *ph;
	struct core *c;
	struct guest g;
	uint64_t size;

	machine(&g);
	CHECK(build(&c, &g, &f) == 0 && !core_remark(c));
	CHECK(!memcmp(head_of(c, &size), f.e.e_ident, SELFMAG) && size % 4096 == 0);
	CHECK(core_size(c) == size + MIB && count_of(c) == 3);
	ph = segments_of(c);
	CHECK(ph[0].p_type == PT_NOTE && ph[0].p_filesz == sizeof(f) - NOTES);
	CHECK(ph[0].p_offset + ph[0].p_filesz <= size);
	CHECK(!memcmp(head_of(c, &size) + ph[0].p_offset, &f.prstatus, sizeof(f) - NOTES));
	CHECK(is_load(&ph[1], CORE_PHYSICAL, 0, size, MIB));
	CHECK(is_load(&ph[2], DIRECT, 0, size, MIB));
	core_free(c);
	guest_free(&g);
}

static void each_byte_is_somewhere(void)
{
	struct file f = sound();
	struct core_piece p;
	struct core *c;
	struct guest g;
	uint64_t size;

	machine(&g);
	CHECK(build(&c, &g, &f) == 0);
	head_of(c, &size);
	CHECK(core_map(c, size - 1, &p) == 0 && p.bytes && p.size == 1);
	CHECK(core_map(c, size, &p) == 0 && !p.bytes && !p.ram_offset && p.size == MIB);
	CHECK(core_map(c, size + MIB - 1, &p) == 0 && p.ram_offset == MIB - 1 && p.size == 1);
	CHECK(core_map(c, size + MIB, &p) == -ENXIO);
	CHECK(core_map(c, UINT64_MAX, &p) == -ENXIO);
	core_free(c);
	guest_free(&g);
}

/* crash takes all before the first segment for headers. */
static void segments_are_in_the_order_of_the_file(void)
{
	struct file f = sound();
	const Elf64_Phdr *ph;
	struct core *c;
	struct guest g;
	uint64_t size;

	machine(&g);
	g.ranges[0] = (struct core_range) { 4 * GIB, MIB, 2 * MIB };
	g.ranges[1] = (struct core_range) { MIB, 8 * MIB, MIB };
	g.ranges[2] = (struct core_range) { 2 * MIB, 9 * MIB, MIB };
	g.ranges[3] = (struct core_range) { 0, 0, MIB };
	g.ram.n = 4;
	CHECK(build(&c, &g, &f) == 0);
	head_of(c, &size);
	ph = segments_of(c);
	CHECK(core_size(c) == size + 10 * MIB && count_of(c) == 5);
	CHECK(is_load(&ph[1], CORE_PHYSICAL, 0, size, MIB));
	CHECK(is_load(&ph[2], CORE_PHYSICAL + 4 * GIB, 4 * GIB, size + MIB, 2 * MIB));
	CHECK(is_load(&ph[3], CORE_PHYSICAL + MIB, MIB, size + 8 * MIB, 2 * MIB));
	CHECK(is_load(&ph[4], DIRECT, 0, size, MIB));
	core_free(c);
	guest_free(&g);
}

static void ranges_are_checked(void)
{
	static const struct {
		struct core_range ranges[2];
		size_t n;
	} bad[] = {
		{ { { 0 } }, 0 },
		{ { { 0, 0, 0 } }, 1 },
		{ { { 1, 0, 4096 } }, 1 },
		{ { { 0, 512, 4096 } }, 1 },
		{ { { 0, 0, 4095 } }, 1 },
		{ { { -4096, 0, 8192 } }, 1 },
		{ { { 0, -4096, 8192 } }, 1 },
		{ { { 0, 0, -4096 } }, 1 },
		{ { { 0, CORE_RAM_MAX, 4096 } }, 1 },
		{ { { CORE_PHYSICAL, 0, 4096 } }, 1 },
		{ { { 0, 0, 8192 }, { 4096, 8192, 4096 } }, 2 },
	};
	struct core_range many[CORE_RANGES_MAX + 1];
	struct file f = sound();
	struct core *c = NULL;
	int fd = file_of(&f, sizeof(f));
	struct guest g;

	machine(&g);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(core_build(&c, fd, bad[i].ranges, bad[i].n, guest_read, &g) == -EINVAL);
	for (size_t i = 0; i <= CORE_RANGES_MAX; i++)
		many[i] = (struct core_range) { i * 8192, i * 4096, 4096 };
	CHECK(core_build(&c, fd, many, CORE_RANGES_MAX + 1, guest_read, &g) == -E2BIG);
	CHECK(!c && !g.reads);
	close(fd);
	guest_free(&g);
}

struct damage {
	void (*inflict)(struct file *f);
	int error;
};

static void no_magic(struct file *f) { f->e.e_ident[0] = 0; }
static void small_class(struct file *f) { f->e.e_ident[EI_CLASS] = ELFCLASS32; }
static void machine_386(struct file *f) { f->e.e_machine = EM_386; }
static void big_endian(struct file *f) { f->e.e_ident[EI_DATA] = ELFDATA2MSB; }
static void no_core(struct file *f) { f->e.e_type = ET_EXEC; }
static void short_headers(struct file *f) { f->e.e_phentsize = 32; }
static void no_headers(struct file *f) { f->e.e_phnum = 0; }
static void headers_behind_end(struct file *f) { f->e.e_phoff = sizeof(*f) - 8; }
static void headers_far_away(struct file *f) { f->e.e_phoff = -8; }
static void no_notes(struct file *f) { f->ph[0].p_type = PT_LOAD; f->e.e_phnum = 0xffff; }
static void only_memory(struct file *f) { f->ph[0].p_type = PT_LOAD; f->e.e_phnum = 1; }
static void empty_notes(struct file *f) { f->ph[0].p_filesz = 0; }
static void long_notes(struct file *f) { f->ph[0].p_filesz += 4; }
static void huge_notes(struct file *f) { f->ph[0].p_filesz = UINT64_MAX; }
static void notes_far_away(struct file *f) { f->ph[0].p_offset = UINT64_MAX; }
static void cut_header(struct file *f) { f->ph[0].p_filesz = 352 + 8; }
static void cut_desc(struct file *f) { f->ph[0].p_filesz -= 4; }
static void huge_name(struct file *f) { f->prstatus.head.n_namesz = UINT32_MAX; }
static void huge_desc(struct file *f) { f->cpu.head.n_descsz = UINT32_MAX; }
static void long_desc(struct file *f) { f->vmcoreinfo.head.n_descsz = 17; }

static void malformed_files_are_refused(void)
{
	static const struct damage damages[] = {
		{ no_magic, -EBADMSG }, { small_class, -EOPNOTSUPP },
		{ machine_386, -EOPNOTSUPP }, { big_endian, -EBADMSG }, { no_core, -EBADMSG },
		{ short_headers, -EBADMSG }, { no_headers, -EBADMSG },
		{ headers_behind_end, -EBADMSG }, { headers_far_away, -EBADMSG },
		{ no_notes, -EBADMSG }, { only_memory, -EBADMSG },
		{ empty_notes, -EBADMSG }, { long_notes, -EBADMSG },
		{ huge_notes, -EBADMSG }, { notes_far_away, -EBADMSG },
		{ cut_header, -EBADMSG }, { cut_desc, -EBADMSG }, { huge_name, -EBADMSG },
		{ huge_desc, -EBADMSG }, { long_desc, -EBADMSG },
	};
	struct core *c = NULL;
	struct guest g;

	machine(&g);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		struct file f = sound();

		damages[i].inflict(&f);
		if (build(&c, &g, &f) != damages[i].error || c) {
			fprintf(stderr, "damage %zu is not seen\n", i);
			_exit(1);
		}
	}
	guest_free(&g);
}

/* The notes come first, or nearly. */
static void headers_are_bounded(void)
{
	struct {
		struct file f;
		Elf64_Phdr ph[65];
	} many = { .f = sound() };
	struct core *c = NULL;
	struct guest g;
	int fd;

	machine(&g);
	many.f.e.e_phoff = offsetof(typeof(many), ph);
	many.f.e.e_phnum = 65;
	many.ph[64] = many.f.ph[0];
	fd = file_of(&many, sizeof(many));
	CHECK(core_build(&c, fd, g.ranges, 1, guest_read, &g) == -EBADMSG && !c);
	CHECK(pwrite(fd, &many.f.ph[0], sizeof(many.ph[0]),
		     offsetof(typeof(many), ph[63])) == sizeof(many.ph[0]));
	CHECK(core_build(&c, fd, g.ranges, 1, guest_read, &g) == 0);
	core_free(c);
	close(fd);
	guest_free(&g);
}

static void short_files_are_refused(void)
{
	struct file f = sound();
	struct core *c = NULL;
	struct guest g;

	machine(&g);
	for (size_t size = 0; size < sizeof(f); size++)
		CHECK(build_size(&c, &g, &f, size) == -EBADMSG && !c);
	guest_free(&g);
}

static void what_is_no_file_is_refused(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY);
	struct core *c = NULL;
	struct guest g;

	machine(&g);
	CHECK(core_build(&c, fd, g.ranges, 1, guest_read, &g) == -EISDIR);
	CHECK(core_build(&c, -1, g.ranges, 1, guest_read, &g) == -EBADF && !c);
	close(fd);
	guest_free(&g);
}

static void failed_reads_of_memory_are_reported(void)
{
	struct file f = sound();
	struct core *c = NULL;
	struct guest g;

	machine(&g);
	g.fail = -EIO;
	CHECK(build(&c, &g, &f) == -EIO && !c);
	guest_free(&g);
}

/* Physical memory is there all the same; the reason is, too, as a note. */
static void check_physical_only(struct file *f, const char *reason)
{
	const Elf64_Phdr *ph;
	struct core *c;
	struct guest g;
	uint64_t size;

	machine(&g);
	CHECK(build(&c, &g, f) == 0);
	CHECK(core_remark(c) && strstr(core_remark(c), reason));
	ph = segments_of(c);
	CHECK(count_of(c) == 2 && ph[0].p_filesz > f->ph[0].p_filesz);
	CHECK(memmem(head_of(c, &size) + ph[0].p_offset, ph[0].p_filesz, reason, strlen(reason)));
	CHECK(memmem(head_of(c, &size) + ph[0].p_offset, ph[0].p_filesz, "vmfork", 7));
	CHECK(is_load(&ph[1], CORE_PHYSICAL, 0, size, MIB));
	core_free(c);
	guest_free(&g);
}

static void what_is_left_out_is_said(void)
{
	struct file f = sound();

	set_register(&f, 392, 0);
	check_physical_only(&f, "no kernel addresses");
	f = sound();
	/* A note of another version, at the end. */
	f.cpu.head.n_descsz = 436;
	f.ph[0].p_filesz = offsetof(struct file, cpu.desc) + 436 - NOTES;
	check_physical_only(&f, "no kernel addresses");
	f = sound();
	memcpy(f.cpu.name, "QEMX", 4);
	check_physical_only(&f, "no kernel addresses");
}

static void wrong_tables_are_said(void)
{
	struct file f = sound();
	struct core *c;
	struct guest g;

	machine(&g);
	*guest_entry(&g, 0, 4, DIRECT + 4 * GIB, 3) = 64 * GIB | P;
	CHECK(build(&c, &g, &f) == 0 && count_of(c) == 3);
	CHECK(strstr(core_remark(c), "1 entries of page tables are left out"));
	core_free(c);
	guest_free(&g);
}

static void segments_are_bounded(void)
{
	struct file f = sound();
	struct core *c;
	struct guest g;

	guest_init(&g, MIB);
	guest_page(&g);
	for (uint64_t i = 0; i < CORE_SEGMENTS_MAX; i++)
		guest_map(&g, 0, 4, DIRECT + i * 4096, 0, 1);
	CHECK(build(&c, &g, &f) == 0 && count_of(c) == CORE_SEGMENTS_MAX);
	CHECK(strstr(core_remark(c), "from 0xffff88800fde6000 on"));
	core_free(c);
	guest_free(&g);
}

int main(void)
{
	headers_notes_and_memory();
	each_byte_is_somewhere();
	segments_are_in_the_order_of_the_file();
	ranges_are_checked();
	malformed_files_are_refused();
	headers_are_bounded();
	short_files_are_refused();
	what_is_no_file_is_refused();
	failed_reads_of_memory_are_reported();
	what_is_left_out_is_said();
	wrong_tables_are_said();
	segments_are_bounded();
	return 0;
}
