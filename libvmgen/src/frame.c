/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The memory of a source.  See struct source in lib.h for what is where. */
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

/* A power of two, and what a frame is aligned to: a record leads to its source. */
#define FRAME_PAGES	32
/* The three at the end are for the test backend, see testing.h. */
#define STATUS_PAGE	(1 + 2 * VMGEN_PAIRS)

_Static_assert(STATUS_PAGE + 1 + 3 <= FRAME_PAGES, "all pages have room in a frame");
_Static_assert(sizeof(struct source) <= VMGEN_RECORDS, "a source is one page");

/* Kept: in a child each page of code that is run for the first time is a page fault. */
size_t vmgen_page_size(void)
{
	static size_t size;
	size_t known = __atomic_load_n(&size, __ATOMIC_RELAXED);

	if (known)
		return known;
	known = (size_t)sysconf(_SC_PAGESIZE);
	__atomic_store_n(&size, known, __ATOMIC_RELAXED);
	return known;
}

static size_t frame_size(void)
{
	return FRAME_PAGES * vmgen_page_size();
}

/* Aligned to its size: of twice as much, what is around it goes back. */
static char *frame_reserve(void)
{
	size_t size = frame_size(), head;
	char *base = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)base % size;
	if (head)
		munmap(base, head);
	munmap(base + head + size, size - head);
	return base + head;
}

/* Forked children must see a change, whether the kernel wipes the records or we do. */
static bool frame_wipe(struct source *s)
{
	size_t page = vmgen_page_size();
	bool wiped = true;
	uint32_t i;

	for (i = 0; i < s->pairs; i++)
		wiped &= vmgen_fork_wipe(s->generation - page + 2 * i * page, page);
	return wiped;
}

/* A frame whose pages are all anonymous and zero; the backend maps over them. */
int vmgen_frame_new(const struct backend *ops, struct source **ret)
{
	size_t page = vmgen_page_size();
	char *base = frame_reserve();
	struct source *s = (struct source *)base;

	if (!base)
		return -ENOMEM;
	s->ops = ops;
	s->fd = -1;
	s->pairs = ops->blind ? 1 : VMGEN_PAIRS;
	s->generation = base + 2 * page;
	s->status = base + STATUS_PAGE * page;
	if (frame_wipe(s))
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
	void *p = mmap(NULL, size, prot, MAP_SHARED, fd, offset);
	int r;

	if (p == MAP_FAILED)
		return -errno;
	if (mremap(p, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at)
		return 0;
	r = -errno;
	munmap(p, size);
	return r;
}

/* The page of the live generation, behind each page of records. */
int vmgen_frame_generation(struct source *s, int fd, off_t offset)
{
	size_t page = vmgen_page_size();
	uint32_t i;
	int r = 0;

	for (i = 0; i < s->pairs && r == 0; i++)
		r = vmgen_frame_map(s->generation + 2 * i * page, page, PROT_READ, fd,
				    offset);
	return r;
}

/* Of any record but those of vmgen_never. */
struct source *vmgen_frame_of(const vmgen_word *record)
{
	return (struct source *)((uintptr_t)record & ~(frame_size() - 1));
}

/* Only for a frame that was never published. */
void vmgen_frame_free(struct source *s)
{
	if (s)
		munmap(s, frame_size());
}
