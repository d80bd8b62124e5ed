/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * An ELF core of a frozen guest: headers and notes that are made here, and behind them
 * the bytes of the file "ram" as they are.  Each program header points into those, so
 * that a core takes no more room than the memory, however often it is mapped.
 *
 * Nothing that the guest wrote is trusted.  What is left out is said in core_remark().
 */
#ifndef CORE_H
#define CORE_H

#include <stddef.h>
#include <stdint.h>

/* A header for guest-physical memory has its address plus this for a virtual one: no
 * page table can map it, so that it never stands for another address. */
#define CORE_PHYSICAL		UINT64_C(0x4000000000000000)
#define CORE_PAGE		UINT64_C(4096)
#define CORE_RANGES_MAX		1024
/* Below PN_XNUM: every tool reads so many. */
#define CORE_SEGMENTS_MAX	65000
#define CORE_NOTES_MAX		(UINT64_C(16) << 20)
/* 16 TiB: a bit for each page takes 512 MiB then. */
#define CORE_RAM_MAX		(UINT64_C(1) << 44)

struct core;

/* Guest-physical memory, and where the file "ram" has it.  Whole pages. */
struct core_range {
	uint64_t address, offset, size;
};

/* What comes next in the file: @size bytes of @bytes, or of "ram" from @ram_offset. */
struct core_piece {
	const void *bytes;
	uint64_t ram_offset;
	uint64_t size;
};

/* Reads the frozen file "ram".  0 or -errno. */
typedef int (*core_read_ram)(void *ctx, uint64_t offset, void *buf, size_t size);

/*
 * @notes_fd: what QEMU's dump-guest-memory wrote of the stopped machine.  -EBADMSG: it is
 * malformed.  -EOPNOTSUPP: the guest is not in 64-bit mode of x86.  -EINVAL, -E2BIG: the
 * ranges make no sense, or are too many.  Otherwise what @read returned.
 */
int core_build(struct core **ret, int notes_fd, const struct core_range *ranges,
	       size_t n, core_read_ram read, void *ctx);
uint64_t core_size(const struct core *c);
/* What is at byte @at of the core.  -ENXIO behind its end. */
int core_map(const struct core *c, uint64_t at, struct core_piece *ret);
/* What the core lacks, for a person; NULL: nothing.  The core has it as a note, too. */
const char *core_remark(const struct core *c);
void core_free(struct core *c);

#endif /* CORE_H */
