/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The way of libvmgen, and a point of no return that is a whole system call. */
#include "section.h"

static vmgen_guard guard = VMGEN_GUARD_INIT;
static struct prng prng;

void section(void)
{
	char line[LINE_MAX_SIZE];
	vmgen_epoch epoch;
	uint64_t value;
	size_t size;

	do {
		epoch = vmgen_begin(&guard, prng_reseed, &prng);
		value = prng_word(&prng);
		size = format_line(line, &value, sizeof(value));
	} while (vmgen_retry(&guard, epoch));
	write(serial, line, size);
	SECTION_END();
}
