/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The kernel's random bytes, as anybody draws them. */
#include "section.h"

void prepare(void)
{
	output_size = sizeof(output.bytes);
}

void section(void)
{
	long n = syscall(SYS_getrandom, output.bytes, sizeof(output.bytes), 0);

	SECTION_END();
	need(n == sizeof(output.bytes), "getrandom");
}
