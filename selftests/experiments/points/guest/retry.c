/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The way of libvmgen, and a point of no return that is one instruction. */
#include "section.h"

static vmgen_guard guard = VMGEN_GUARD_INIT;
static struct prng prng;

void prepare(void)
{
	output_size = sizeof(output.words[0]);
}

void section(void)
{
	vmgen_epoch epoch;
	uint64_t value;

	do {
		epoch = vmgen_begin(&guard, prng_reseed, &prng);
		value = prng_word(&prng);
		/* Arithmetic in registers may sink below a check.  Not here. */
		__asm__ __volatile__("" : "+r"(value));
	} while (vmgen_retry(&guard, epoch));
	SECTION_COMMIT(value);
}
