/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the two files that make up a watch know of each other. */
#ifndef VMGEN_WATCH_H
#define VMGEN_WATCH_H

#include <stdbool.h>

#include "lib.h"

struct callback;

struct callbacks {
	struct callback *first;
	bool running;
};

/* callback.c */
int vmgen_callbacks_add(struct callbacks *all, int order, vmgen_watch_fn *fn, void *ctx);
int vmgen_callbacks_remove(struct callbacks *all, vmgen_watch_fn *fn, void *ctx);
void vmgen_callbacks_run(struct callbacks *all, const struct vmgen_info *now);
void vmgen_callbacks_clear(struct callbacks *all);

#endif /* VMGEN_WATCH_H */
