/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the tests of watches share. */
#ifndef TEST_WATCH_H
#define TEST_WATCH_H

#include <poll.h>

#include "test.h"

static inline bool readable(const vmgen_watch *w)
{
	struct pollfd p = { .fd = vmgen_watch_fd(w), .events = POLLIN };
	int r = poll(&p, 1, 0);

	CHECK(r >= 0);
	return r;
}

static inline vmgen_watch *watch(void)
{
	vmgen_watch *w = NULL;

	CHECK(vmgen_watch_new(&w) == 0);
	CHECK(w);
	return w;
}

/* A counter that wakes who watches it takes an inotify instance, hence a skip. */
static inline int watchable_counter(unsigned int flags)
{
	int fd = counter(flags), r;
	vmgen_watch *w;

	r = vmgen_watch_new(&w);
	if (r == -ENOSYS || r == -EMFILE)
		skip("no inotify here");
	CHECK(r == 0);
	vmgen_watch_free(w);
	return fd;
}

#endif /* TEST_WATCH_H */
