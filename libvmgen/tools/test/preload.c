/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* For LD_PRELOAD: the program uses the counter that "counter run" has made. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmgen-test.h"

#define FD	100

__attribute__((__constructor__)) static void install(void)
{
	/* Not for what the program runs in its turn. */
	unsetenv("LD_PRELOAD");
	if (vmgen_test_install(FD) < 0) {
		fprintf(stderr, "preload: descriptor %d is no counter\n", FD);
		_exit(99);
	}
}
