/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Kernel random bytes between two looks at the counter that found the same epoch. */
#include <string.h>

#include "lib.h"

/* As for an epoch in guard.c: as many restores while one buffer is being filled. */
#define FILL_TRIES	64

static int fill(unsigned char *buf, size_t size)
{
	ssize_t n;

	while (size) {
		n = vmgen_sys_getrandom(buf, size);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		buf += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The epoch that the kernel is ready for, or has been asked for in vain. */
static int verify(const vmgen_word **ret)
{
	struct reading now;
	int r = vmgen_epoch_read(&now, ret);

	if (r < 0)
		return r;
	/* Then nobody could be asked: in software mode the pages lag behind. */
	if (now.lost)
		return -EBADF;
	return now.info.flags & VMGEN_INFO_CRNG_RESEEDED ? 0 : -EOPNOTSUPP;
}

/*
 * Asks the kernel before and after, so that this is of one generation in software
 * mode, too, where the page that vmgen_is_live() looks at lags.
 */
static int fill_in_epoch(void *buf, size_t size, bool unverified)
{
	const vmgen_word *before, *after;
	int i, r;

	r = verify(&after);
	for (i = 0; i < FILL_TRIES; i++) {
		if (r < 0 && !unverified)
			return r;
		before = after;
		r = fill(buf, size);
		if (r < 0)
			return r;
		r = verify(&after);
		if (after == before && (!after || vmgen_is_live(after)))
			return unverified ? 0 : r;
	}
	return -EIO;
}

/* Volatile: the compiler may not take this for a store that nobody reads. */
static void wipe(void *buf, size_t size)
{
	memset(buf, 0, size);
	__asm__ __volatile__("" : : "r"(buf) : "memory");
}

int vmgen_getrandom(void *buf, size_t size, unsigned int flags)
{
	int saved = errno, r;

	if (flags & ~VMGEN_UNVERIFIED)
		return -EINVAL;
	r = fill_in_epoch(buf, size, flags & VMGEN_UNVERIFIED);
	if (r < 0)
		wipe(buf, size);
	errno = saved;
	return r;
}
