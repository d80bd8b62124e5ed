/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause) */
/*
 * Virtual machine generation counter: the page that a hypervisor publishes and
 * the interface of /dev/vmgenctr.
 *
 * The kernel, the hypervisor and user space all build from this one file.  See
 * Documentation/userspace-api/vmgenctr.rst for how to use it.
 */
#ifndef _LINUX_VMGENCTR_H
#define _LINUX_VMGENCTR_H

#include "standard-headers/linux/types.h"

/*
 * mmap() offsets of /dev/vmgenctr, in pages.  Each window is one page long and
 * can only be mapped readable.
 */
#define VMGENCTR_GENERATION_PGOFF	0
#define VMGENCTR_STATUS_PGOFF		1

#define VMGENCTR_GENERATION_MAGIC	0x43474d56	/* "VMGC" */
#define VMGENCTR_STATUS_MAGIC		0x53474d56	/* "VMGS" */
#define VMGENCTR_VERSION		1

/* The smallest valid size: readers rely on nothing beyond it in version 1. */
#define VMGENCTR_GENERATION_SIZE	0x20

/*
 * The generation page.  A hypervisor writes it while no virtual CPU runs, or
 * the driver keeps it when the hypervisor offers only a VM Generation ID.  All
 * fields are little-endian; the rest of the page is zero.
 *
 * @seq_count is odd while the writer is at work.  A reader whose 64-bit loads
 * do not tear needs it only to read several fields together.
 */
struct vmgenctr_generation_page {
	uint32_t magic;
	uint32_t size;		/* valid bytes of this structure */
	uint16_t version;
	uint16_t reserved;
	uint32_t seq_count;
	uint64_t flags;		/* VMGENCTR_F_* */
	uint64_t generation;	/* 0: there is no counter (any more) */
};

/* Written by the hypervisor before any virtual CPU of a restored VM runs. */
#define VMGENCTR_F_HYPERVISOR		(1ULL << 0)

/*
 * The status page, written by the driver in native byte order when the kernel
 * has finished its own work for a generation.
 */
struct vmgenctr_status_page {
	uint32_t magic;
	uint32_t size;
	uint16_t version;
	uint16_t reserved;
	uint32_t seq_count;
	uint64_t flags;		/* VMGENCTR_STATUS_F_* */
	uint64_t ready_generation;	/* 0: the device is gone */
	uint8_t  instance_id[16];
};

/* The CRNG was ready and was reseeded for ready_generation. */
#define VMGENCTR_STATUS_F_CRNG_RESEEDED	(1ULL << 0)

/*
 * What read() returns.  The kernel is ready for @generation when it does: vmfork
 * notifiers have run, and a getrandom() that starts afterwards is reseeded.
 */
struct vmgenctr_info {
	uint64_t generation;
	uint64_t flags;		/* VMGENCTR_INFO_F_* */
	uint8_t  instance_id[16];	/* public, differs between sibling clones */
};

#define VMGENCTR_INFO_F_HYPERVISOR	(1ULL << 0)
#define VMGENCTR_INFO_F_CRNG_RESEEDED	(1ULL << 1)

#endif /* _LINUX_VMGENCTR_H */
