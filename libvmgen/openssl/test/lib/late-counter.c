/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * For LD_PRELOAD: the program gets a counter right behind the call by which daemons
 * close every descriptor, as it does from a provider that it loads afterwards.  COUNTER=
 * says which kind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* libc's calls close_range(), and is hidden by this one. */
void closefrom(int low)
{
	long fd, max = sysconf(_SC_OPEN_MAX);
	int counter;

	for (fd = low; fd < max; fd++)
		close((int)fd);
	counter = vmgen_test_create(kind(getenv("COUNTER")));
	if (counter < 0 || vmgen_test_install(counter) < 0) {
		fprintf(stderr, "late-counter: no counter\n");
		_exit(99);
	}
}
