/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What happens to the machine of a process in a sandbox is done by its parent, which it
 * asks by a letter, and which answers when it is done.
 */
#ifndef OBEYED_H
#define OBEYED_H

#include "sandbox.h"

static int to_parent[2], to_child[2];

/* --- The parent -------------------------------------------------------------- */

static int obey(int fd, char what)
{
	switch (what) {
	case 'b':	/* restored, and the kernel has not noticed */
		return vmgen_test_bump(fd);
	case 'r':	/* restored, and the kernel is ready */
		return vmgen_test_bump(fd) < 0 ? -1 : vmgen_test_ready(fd);
	case 'g':
		return vmgen_test_fault(fd, VMGEN_TEST_GARBAGE);
	case 't':
		return vmgen_test_fault(fd, VMGEN_TEST_TEAR);
	case 'k':
		return vmgen_test_fault(fd, VMGEN_TEST_WEDGE);
	case 'x':
		return vmgen_test_fault(fd, VMGEN_TEST_REMOVE);
	case 'w':
		return vmgen_test_fault(fd, VMGEN_TEST_RESTORE);
	default:
		return -EINVAL;
	}
}

static void serve(int fd)
{
	char what;

	while (read(to_parent[0], &what, 1) == 1) {
		CHECK(obey(fd, what) == 0);
		CHECK(write(to_child[1], &what, 1) == 1);
	}
}

/* --- The child --------------------------------------------------------------- */

static void let(char what)
{
	char c;

	CHECK(write(to_parent[1], &what, 1) == 1);
	CHECK(read(to_child[0], &c, 1) == 1 && c == what);
}

#endif /* OBEYED_H */
