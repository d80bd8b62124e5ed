/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Check, then produce: what one writes who has not thought about it. */
#include "section.h"

static vmgen_guard guard = VMGEN_GUARD_INIT;
static struct prng prng;

void prepare(void)
{
	output_size = sizeof(output.words[0]);
}

void section(void)
{
	if (vmgen_changed(&guard))
		prng_reseed(&prng);
	SECTION_COMMIT(prng_word(&prng));
}
