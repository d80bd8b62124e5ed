/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* How far something that takes long has come: on standard error, for a person. */
#ifndef VMFORK_PROGRESS_H
#define VMFORK_PROGRESS_H

#include "vmfork.h"

struct progress {
	const char *what;
	gboolean shown, drawn;
	gint64 last;
};

/* Shown where standard error is a terminal, or with --progress; not with --quiet. */
void progress_begin(struct progress *p, struct vmfork *v, const char *what);
void progress_at(struct progress *p, gint64 done, gint64 all);
void progress_end(struct progress *p);

#endif
