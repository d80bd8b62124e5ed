/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A generation counter for tests: no root, no virtual machine.  It lives in a
 * memfd that is laid out and mapped as a device is, so that the library runs the
 * code it runs on a real machine; only read() is played by the library.  Any
 * process that has the descriptor can install it or change it.
 *
 * See vmgen_test_create(3).  All functions return 0 or a negative errno value.
 */
#ifndef VMGEN_TEST_H
#define VMGEN_TEST_H

#include "vmgen.h"

#ifdef __cplusplus
extern "C" {
#endif

/* vmgen_test_create(): the driver keeps the page; the hypervisor has only an id. */
#define VMGEN_TEST_SOFTWARE	1u
/* Not as /dev/vmgenctr, but as another device; each excludes the others. */
#define VMGEN_TEST_VMCLOCK	2u
#define VMGEN_TEST_SYSGENID	4u

enum vmgen_test_fault {
	VMGEN_TEST_RESTORE,	/* no fault: whole again, in the same generation */
	VMGEN_TEST_TEAR,	/* the sequence counts stay odd */
	VMGEN_TEST_WEDGE,	/* the kernel never gets ready for a new generation */
	VMGEN_TEST_REMOVE,	/* the driver is unbound, or the counter withdrawn */
	VMGEN_TEST_DENY,	/* the device cannot be opened any more */
	VMGEN_TEST_GARBAGE,	/* no magic number in either page */
	VMGEN_TEST_VERSION,	/* a version that nobody knows */
	VMGEN_TEST_SHRINK,	/* the pages say that they are too small */
	VMGEN_TEST_SHORT	/* read() returns 8 bytes */
};

VMGEN_API int vmgen_test_create(unsigned int flags);
VMGEN_API int vmgen_test_install(int fd);
VMGEN_API int vmgen_test_bump(int fd);
VMGEN_API int vmgen_test_ready(int fd);
VMGEN_API int vmgen_test_set(int fd, uint64_t generation);
VMGEN_API int vmgen_test_fault(int fd, enum vmgen_test_fault fault);
VMGEN_API int vmgen_test_reads(int fd);

#ifdef __cplusplus
}
#endif

#endif /* VMGEN_TEST_H */
