/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * How a snapshot gets the memory of a machine: three ways that do the same at the same
 * moments.  snapshot.c says when.
 */
#ifndef VMFORK_TAKE_H
#define VMFORK_TAKE_H

#include "machine.h"
#include "snap.h"
#include "view.h"

#define TAKE_BLOCKS 16

struct take {
	struct vmfork *v;
	struct machine *m;
	JsonObject *run;
	struct snap *s;
	struct qmp *qmp;
	struct view_options options;
	const char *how;	/* "view", "process" or "copy" */
	char *old;		/* the live view, or NULL */
	gboolean detached;	/* it hands the memory over to this one */
	JsonArray *blocks;	/* as ram-view-open has them, or NULL */
	int peer, fds[TAKE_BLOCKS + 1], n;	/* of ram-view-open: userfaultfd, blocks */
	gboolean private;	/* ram-view-open is for private memory */
	gboolean opened, served;	/* QEMU, and the server of "process", have begun */
	gint64 generation;	/* or -1 */
	gint64 frames;		/* that the freeze protected or copied, or -1 */
};

void take_init(struct take *t);
void take_clear(struct take *t);
/* Which way it is going to be. */
void take_choose(struct take *t);
/* While the machine runs. */
gboolean take_prepare(struct take *t, GError **error);
/* The machine stands: what is left out of the state is known. */
gboolean take_stopped(struct take *t, GError **error);
/* After this the memory of this moment is safe. */
gboolean take_freeze(struct take *t, GError **error);
/* The machine runs again: what can be had besides. */
void take_finish(struct take *t);
gboolean take_is(struct take *t, const char *how);
/* {"size", "blocks"} of meta.json */
JsonObject *take_describe(struct take *t);

#endif
