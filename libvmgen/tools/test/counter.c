/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A counter of the test backend for several processes.
 *
 *	counter run [software | sysgenid] -- COMMAND...	run COMMAND with a new one
 *	counter bump | set N | fault N		change it, from below COMMAND
 *
 * It is inherited as descriptor FD, and preload.so makes the command use it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmgen-test.h"

#define FD	100

static int fail(const char *what, int error)
{
	fprintf(stderr, "counter: %s: %s\n", what, strerror(error < 0 ? -error : error));
	return 1;
}

static unsigned int kind(const char *name)
{
	if (strcmp(name, "software") == 0)
		return VMGEN_TEST_SOFTWARE;
	return strcmp(name, "sysgenid") == 0 ? VMGEN_TEST_SYSGENID : 0;
}

static int run(char **argv)
{
	unsigned int flags = kind(argv[0]);
	int fd = vmgen_test_create(flags);

	if (fd < 0)
		return fail("create", fd);
	dup2(fd, FD);
	argv += flags != 0;
	argv += strcmp(argv[0], "--") == 0;
	execvp(argv[0], argv);
	return fail(argv[0], 1);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	unsigned long long n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	int r = -1;

	if (strcmp(what, "run") == 0 && argc > 2)
		return run(argv + 2);
	if (strcmp(what, "bump") == 0)
		r = vmgen_test_bump(FD);
	else if (strcmp(what, "set") == 0)
		r = vmgen_test_set(FD, n);
	else if (strcmp(what, "fault") == 0)
		r = vmgen_test_fault(FD, (enum vmgen_test_fault)n);
	return r < 0 ? fail(what, r) : 0;
}
