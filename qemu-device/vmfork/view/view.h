/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* One view: all that the keeper hands to a worker, and the worker's modules share. */
#ifndef VIEW_H
#define VIEW_H

#include <time.h>

#include "faults.h"
#include "frames.h"
#include "layout.h"
#include "plan.h"
#include "source.h"

struct fuse_session;

struct view {
	struct plan plan;
	struct frames frames;
	struct source source;
	struct faults faults;
	struct fuse_session *session;	/* the worker's */
	char *dir, *mount, *socket;	/* absolute */
	char *monitor;			/* NULL: none */
	bool drop;			/* --on-full */
	int fuse, listen, log;
	int gone;			/* eventfd: the mount is no more */
	struct timespec started;
	int ready;			/* the keeper's: main() waits for a byte */
	int keeper;			/* the worker's end; -1: the keeper is dead */
};

static inline uint32_t view_state(const struct view *v)
{
	/* Pairs with the stores of faults_freeze() and faults_drop(). */
	return atomic_load_explicit(&v->frames.book->state, memory_order_acquire);
}

#endif /* VIEW_H */
