/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * For LD_PRELOAD: the program gets a counter right behind the call by which daemons
 * close every descriptor, as it does from a provider that it loads afterwards.  COUNTER=
 * says which kind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmgen-test.h"

static unsigned int kind(const char *name)
{
	if (name && strcmp(name, "software") == 0)
		return VMGEN_TEST_SOFTWARE;
	if (name && strcmp(name, "vmclock") == 0)
		return VMGEN_TEST_VMCLOCK;
	return name && strcmp(name, "sysgenid") == 0 ? VMGEN_TEST_SYSGENID : 0;
}

static void install(void)
{
	int counter = vmgen_test_create(kind(getenv("COUNTER")));

	if (counter >= 0 && vmgen_test_install(counter) == 0)
		return;
	fprintf(stderr, "late-counter: no counter\n");
	_exit(99);
}

/* These stand before libc's functions of the same names. */
int close_range(unsigned int first, unsigned int last, int flags)
{
	int r = (int)syscall(SYS_close_range, first, last, flags);

	if (r == 0)
		install();
	return r;
}

void closefrom(int low)
{
	if (close_range((unsigned int)low, ~0U, 0) < 0)
		_exit(99);
}
