/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-2-Clause) */
/*
 * Virtual machine generation counter: the page that a hypervisor publishes and
 * the interface of /dev/vmgenctr.
 *
 * The kernel, the hypervisor and user space all build from this one file.  See
 * Documentation/userspace-api/vmgenctr.rst for how to use it.
 */
#ifndef _UAPI_LINUX_VMGENCTR_H
#define _UAPI_LINUX_VMGENCTR_H

#include <linux/types.h>

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
	__le32 magic;
	__le32 size;		/* valid bytes of this structure */
	__le16 version;
	__le16 reserved;
	__le32 seq_count;
	__le64 flags;		/* VMGENCTR_F_* */
	__le64 generation;	/* 0: there is no counter (any more) */
};

/* Written by the hypervisor before any virtual CPU of a restored VM runs. */
#define VMGENCTR_F_HYPERVISOR		(1ULL << 0)

/*
 * The status page, written by the driver in native byte order when the kernel
 * has finished its own work for a generation.
 */
struct vmgenctr_status_page {
	__u32 magic;
	__u32 size;
	__u16 version;
	__u16 reserved;
	__u32 seq_count;
	__u64 flags;		/* VMGENCTR_STATUS_F_* */
	__u64 ready_generation;	/* 0: the device is gone */
	__u8  instance_id[16];
};

/* The CRNG was ready and was reseeded for ready_generation. */
#define VMGENCTR_STATUS_F_CRNG_RESEEDED	(1ULL << 0)

/*
 * What read() returns.  The kernel is ready for @generation when it does: vmfork
 * notifiers have run, and a getrandom() that starts afterwards is reseeded.
 */
struct vmgenctr_info {
	__u64 generation;
	__u64 flags;		/* VMGENCTR_INFO_F_* */
	__u8  instance_id[16];	/* public, differs between sibling clones */
};

#define VMGENCTR_INFO_F_HYPERVISOR	(1ULL << 0)
#define VMGENCTR_INFO_F_CRNG_RESEEDED	(1ULL << 1)

#endif /* _UAPI_LINUX_VMGENCTR_H */
