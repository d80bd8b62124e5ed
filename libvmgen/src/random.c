/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Kernel random bytes between two looks at the counter that found the same epoch. */
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

/* As for an epoch in guard.c: as many restores while one buffer is being filled. */
#define FILL_TRIES	64

/* Here and not in sys.c: each return that follows a system call is a slow one. */
static int fill(unsigned char *buf, size_t size)
{
	long n;

	while (size) {
		n = syscall(SYS_getrandom, buf, size, 0);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		buf += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The epoch that the kernel is ready for, or has been asked for in vain. */
static int verify(struct reading *now, const vmgen_word **ret)
{
	int r = vmgen_epoch_read(now, ret);

	if (r < 0)
		return r;
	/* Then the kernel could not be asked: in software mode the pages lag behind. */
	if (now->lost)
		return -EBADF;
	return now->info.flags & VMGEN_INFO_CRNG_RESEEDED ? 0 : -EOPNOTSUPP;
}

/*
 * The page tells that the epoch goes on.  In software mode it lags behind the id that it
 * stands for: there, only to ask the kernel again tells.
 */
static bool goes_on(const struct reading *now, const vmgen_word *record)
{
	bool lags = now->source->ops->reads && !(now->info.flags & VMGEN_INFO_HYPERVISOR);

	return !lags && vmgen_is_live(record);
}

/* So what is returned is of one generation, and of one process. */
static int fill_in_epoch(void *buf, size_t size, bool unverified)
{
	const vmgen_word *before, *after;
	struct reading now;
	int i, r, filled;

	r = verify(&now, &after);
	for (i = 0; i < FILL_TRIES; i++) {
		if (r < 0 && !unverified)
			return r;
		before = after;
		filled = fill(buf, size);
		if (filled < 0)
			return filled;
		if (!before || !goes_on(&now, before))
			r = verify(&now, &after);
		if (after == before && (!after || vmgen_is_live(after)))
			return unverified ? 0 : r;
	}
	return -EIO;
}

/* Volatile: the compiler may not take this for a store that nobody reads. */
static void wipe(void *buf, size_t size)
{
	if (size)
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
