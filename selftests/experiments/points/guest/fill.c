/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* libvmgen's own way to the kernel's random bytes. */
#include "section.h"

void prepare(void)
{
	output_size = sizeof(output.bytes);
}

void section(void)
{
	int r = vmgen_getrandom(output.bytes, sizeof(output.bytes), 0);

	SECTION_END();
	errno = -r;
	need(r == 0, "vmgen_getrandom");
}
