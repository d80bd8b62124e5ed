/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Preloaded into the compilers of a build: large anonymous mappings, which is where gcc
 * has its heap, ask for huge pages.  See hugepages.bash.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE_PAGE	(2UL << 20)

/* Advice: that there are no huge pages is no error. */
void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	void *p = (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);

	if (p != MAP_FAILED && (flags & MAP_ANONYMOUS) && length >= HUGE_PAGE)
		syscall(SYS_madvise, p, length, MADV_HUGEPAGE);
	return p;
}

/* What programs call that are built for large files. */
void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off64_t offset)
	__attribute__((__alias__("mmap")));
