/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Copies of memory: without its holes and pages of zeros. */
#ifndef VMFORK_COPY_H
#define VMFORK_COPY_H

#include "progress.h"

struct copy {
	int from, to;
	gint64 done, all;		/* bytes, for the progress */
	struct progress *progress;	/* or NULL */
	gint64 copied;			/* bytes that were written */
};

/* size bytes at offset "at" of from, to offset "into" of to. */
gboolean copy_range(struct copy *c, gint64 at, gint64 into, gint64 size, GError **error);
/* The same of a file that can tell where its holes are: no hole is read. */
gboolean copy_file(struct copy *c, gint64 size, GError **error);

#endif
