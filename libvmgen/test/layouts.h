/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What is the same, and what is not, for each kind of device. */
#ifndef LAYOUTS_H
#define LAYOUTS_H

#include "test.h"

static const struct layout {
	const char *name;
	unsigned int flags;
	bool native;		/* the kernel vouches for its random numbers */
	uint64_t last;		/* the largest number that can be told from all others */
	int removed;		/* what becomes of those who find it removed */
} layouts[] = {
	{ "vmgenctr", 0, true, UINT64_MAX - 1, -ENOENT },
	{ "vmgenctr in software", VMGEN_TEST_SOFTWARE, true, UINT64_MAX - 1, -ENOENT },
	{ "vmclock", VMGEN_TEST_VMCLOCK, false, UINT64_MAX - 1, -ENODEV },
	{ "sysgenid", VMGEN_TEST_SYSGENID, false, UINT32_MAX, -ENOENT },
};

#define LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

/* Runs @test on each; says on which it was when it fails. */
static inline void each_layout(void (*test)(const struct layout *l))
{
	size_t i;

	for (i = 0; i < LAYOUTS; i++) {
		fprintf(stderr, "%s:\n", layouts[i].name);
		test(&layouts[i]);
	}
}

#endif /* LAYOUTS_H */
