/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * /dev/vmclock0, where the hypervisor fills the counter of Linux 7.0 and later.  The
 * page is the whole interface: the driver does not know the generation, and nothing
 * tells when the kernel has reseeded.
 */
#include <endian.h>
#include <stdbool.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"
#include "vmclock.h"

#define DEVICE		"/dev/vmclock0"

/*
 * The hypervisor updates the clock while the machine runs, which takes it less than
 * a microsecond.  This many looks take some ten; a hypervisor that was interrupted may
 * take any time, and to wait for that gains nothing: the caller takes it for a change.
 */
#ifndef VMCLOCK_TRIES
#define VMCLOCK_TRIES	(1 << 8)
#endif

/* Few clocks have a counter: of one that may not be opened, nothing is known. */
static int device_open(void)
{
	int fd = vmgen_device_open(DEVICE, "vmclock0");

	return fd == -EACCES || fd == -EPERM ? -ENODEV : fd;
}

static uint32_t load32(const uint32_t *p)
{
	return le32toh(__atomic_load_n(p, __ATOMIC_RELAXED));
}

static uint64_t load64(const uint64_t *p)
{
	return le64toh(__atomic_load_n((const vmgen_word *)p, __ATOMIC_RELAXED));
}

static void relax(void)
{
#if defined(__i386__) || defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ __volatile__("" : : : "memory");
#endif
}

static bool page_valid(const struct vmclock_page *p)
{
	return load32(&p->magic) == VMCLOCK_MAGIC &&
	       le16toh(__atomic_load_n(&p->version, __ATOMIC_RELAXED)) == VMCLOCK_VERSION;
}

/*
 * Both ends of the sequence lock in one: true when @ret was read while the count was
 * even and stayed what it was.  The acquire load pairs with the hypervisor's barrier
 * behind the store of an odd count, the fence with the one before that of the even.
 */
static bool page_read(const struct vmclock_page *p, struct page *ret)
{
	uint32_t seq = __atomic_load_n(&p->seq_count, __ATOMIC_ACQUIRE);

	if (le32toh(seq) & 1)
		return false;
	ret->flags = load64(&p->flags);
	ret->generation = load64(&p->generation);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(&p->seq_count, __ATOMIC_RELAXED) == seq;
}

/* The counter came later than the rest: a clock without it may well be shorter. */
static int page_check(const struct vmclock_page *p, const struct page *page)
{
	if (!(page->flags & VMCLOCK_F_COUNTER))
		return -ENODEV;
	return load32(&p->size) >= sizeof(*p) ? 0 : -EBADMSG;
}

/*
 * 0; -ENODEV: there is no counter in it; -EBADMSG: this is no such page; -EIO: the
 * hypervisor never finished
 */
int vmgen_vmclock_page(const void *at, struct page *ret)
{
	const struct vmclock_page *p = at;
	struct page page;
	int i, r;

	if (!page_valid(p))
		return -EBADMSG;
	for (i = 0; i < VMCLOCK_TRIES; i++, relax()) {
		if (!page_read(p, &page))
			continue;
		r = page_check(p, &page);
		if (r == 0)
			*ret = page;
		return r;
	}
	return -EIO;
}

/* A clock that has no counter is none of ours.  One that is broken is, and says so. */
int vmgen_vmclock_map(struct source *s, int fd)
{
	struct page page;
	int r = vmgen_frame_generation(s, fd, 0);

	if (r < 0)
		return r;
	return vmgen_vmclock_page(s->generation, &page) == -ENODEV ? -ENODEV : 0;
}

/*
 * The number means what it means to the hypervisor: any other is a change, a smaller
 * one, too.  Neither the sequence count nor the disruption marker is, because a live
 * migration changes those as well.
 */
int vmgen_vmclock_sync(struct source *s, struct reading *ret)
{
	struct page page;
	int r = vmgen_vmclock_page(s->generation, &page);

	if (r < 0)
		return r;
	ret->info.generation = page.generation;
	ret->word = htole64(page.generation);
	/* The one value that a record cannot hold. */
	return ret->word == UINT64_MAX ? -EOVERFLOW : 0;
}

/* Where the hypervisor does not notify, the driver says that poll() is of no use. */
static bool notifies(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 0;
}

static int device_watch(void)
{
	int fd = device_open();

	if (fd < 0 || notifies(fd))
		return fd;
	vmgen_sys_close(fd);
	return -EOPNOTSUPP;
}

/*
 * Only a read makes poll() quiet, and the driver copies a page that holds still.  It
 * notifies of a live migration, too, after which the next host may not notify any more.
 */
static int device_seen(int fd, struct vmgen_info *ret)
{
	struct vmclock_page copy __attribute__((__aligned__(8)));
	struct page page;
	ssize_t n;
	int r;

	do
		n = pread(fd, &copy, sizeof(copy), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n != sizeof(copy))
		return -EBADMSG;
	r = vmgen_vmclock_page(&copy, &page);
	if (r < 0)
		return r;
	ret->generation = page.generation;
	return notifies(fd) ? 0 : -EOPNOTSUPP;
}

const struct backend vmgen_backend_vmclock = {
	.id = VMGEN_BACKEND_VMCLOCK,
	.word = offsetof(struct vmclock_page, generation),
	.open = device_open,
	.map = vmgen_vmclock_map,
	.sync = vmgen_vmclock_sync,
	.watch = device_watch,
	.seen = device_seen,
};
