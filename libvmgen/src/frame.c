/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The memory of a source.  See struct source in lib.h for what is where. */
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

/* The last three are for the test backend, see testing.h. */
#define FRAME_PAGES	7

_Static_assert(sizeof(struct source) <= VMGEN_RECORDS, "a source is one page");

size_t vmgen_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * An emulator that does not know MADV_WIPEONFORK may say that it succeeded; it
 * then says so for advice that does not exist, too.
 */
bool vmgen_wipe_on_fork(void *addr, size_t size)
{
	return madvise(addr, size, -1) < 0 &&
	       madvise(addr, size, MADV_WIPEONFORK) == 0;
}

/* A frame whose pages are all anonymous and zero; the backend maps over them. */
int vmgen_frame_new(const struct backend *ops, struct source **ret)
{
	size_t page = vmgen_page_size();
	struct source *s;
	char *base;

	base = mmap(NULL, FRAME_PAGES * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	s = (struct source *)base;
	s->ops = ops;
	s->generation = base + 2 * page;
	s->status = base + 3 * page;
	if (vmgen_wipe_on_fork(base + page, page))
		s->flags |= VMGEN_INFO_FORK;
	*ret = s;
	return 0;
}

/*
 * Over a part of a frame, in two steps: a mapping at a fixed place that fails may have
 * unmapped what was there, and whatever another thread then gets at that place is lost
 * when the frame is freed.
 */
int vmgen_frame_map(void *at, size_t size, int prot, int fd, off_t offset)
{
	int anonymous = fd < 0 ? MAP_ANONYMOUS : 0, r;
	void *p = mmap(NULL, size, prot, MAP_SHARED | anonymous, fd, offset);

	if (p == MAP_FAILED)
		return -errno;
	if (mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at)
		return 0;
	r = -errno;
	munmap(p, size);
	return r;
}

/* Only for a frame that was never published. */
void vmgen_frame_free(struct source *s)
{
	if (s)
		munmap(s, FRAME_PAGES * vmgen_page_size());
}
