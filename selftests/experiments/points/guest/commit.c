/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A commit that is bound to its generation.  The host takes the value, and takes only
 * one of the generation that the machine is in.
 */
#include <endian.h>

#include "section.h"

static vmgen_guard guard = VMGEN_GUARD_INIT;
static vmgen_slot slot = VMGEN_SLOT_INIT;
static struct prng prng;

void prepare(void)
{
	output_size = sizeof(slot);
}

/* Digits that can be read as numbers, and an empty slot for the next round. */
static void take(void)
{
	output.words[0] = htobe64(slot.tag);
	output.words[1] = htobe64(slot.value);
	slot = (vmgen_slot)VMGEN_SLOT_INIT;
}

void section(void)
{
	vmgen_epoch epoch;
	int r;

	do {
		epoch = vmgen_begin(&guard, prng_reseed, &prng);
		r = vmgen_commit(&guard, epoch, &slot, prng_word(&prng));
	} while (r == -ESTALE);
	SECTION_END();
	errno = -r;
	need(r == 0, "vmgen_commit");
	take();
}
