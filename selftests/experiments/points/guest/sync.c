/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The kernel's random bytes, after it was asked whether it is ready. */
#include "section.h"

void prepare(void)
{
	output_size = sizeof(output.bytes);
}

void section(void)
{
	int r = vmgen_sync(NULL);
	long n = syscall(SYS_getrandom, output.bytes, sizeof(output.bytes), 0);

	SECTION_END();
	errno = -r;
	need(r == 0, "vmgen_sync");
	need(n == sizeof(output.bytes), "getrandom");
}
