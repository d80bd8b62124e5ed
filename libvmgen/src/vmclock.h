/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The page of /dev/vmclock0, from include/uapi/linux/vmclock-abi.h of Linux 7.0, which
 * is newer than the headers that most distributions have.  All numbers are
 * little-endian.
 */
#ifndef VMGEN_VMCLOCK_H
#define VMGEN_VMCLOCK_H

#include <stddef.h>
#include <stdint.h>

#define VMCLOCK_MAGIC		0x4b4c4356	/* "VCLK" */
#define VMCLOCK_VERSION		1
/* VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT: the last field means something. */
#define VMCLOCK_F_COUNTER	(UINT64_C(1) << 8)

struct vmclock_page {
	uint32_t magic;
	uint32_t size;			/* of the region, at least this struct */
	uint16_t version;
	uint8_t clock[2];
	uint32_t seq_count;		/* odd while the hypervisor is at work */
	uint64_t disruption_marker;	/* also after a migration: not for us */
	uint64_t flags;
	uint64_t time[9];
	uint64_t generation;		/* vm_generation_counter; any number, 0 too */
};

_Static_assert(offsetof(struct vmclock_page, seq_count) == 0x0c, "vmclock ABI");
_Static_assert(offsetof(struct vmclock_page, disruption_marker) == 0x10, "vmclock ABI");
_Static_assert(offsetof(struct vmclock_page, flags) == 0x18, "vmclock ABI");
_Static_assert(offsetof(struct vmclock_page, generation) == 0x68, "vmclock ABI");
_Static_assert(sizeof(struct vmclock_page) == 0x70, "vmclock ABI");

#endif /* VMGEN_VMCLOCK_H */
