/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * FILE.json: what the view is of.  One of
 *   blocks with descriptors, uffd and peer   a live machine, whose RAM is shared
 *   blocks with descriptors, and inherits    the same, under the protection of an older
 *                                            view: inherits is the control socket of its
 *                                            server, which hands over at the freeze
 *   process, maps, base                      a fork: private frames, over a lower view
 *   file                                     RAM that is finished
 * "blocks" of the latter two are optional and give the guest-physical ranges only.
 */
#ifndef PLAN_H
#define PLAN_H

#include <sys/types.h>

#include "layout.h"

struct plan_map {
	uint64_t host, offset, size;	/* offset in "ram" */
};

struct plan {
	struct layout layout;
	int uffd, peer, lower;		/* -1: none */
	char *inherits;			/* NULL: no older view */
	pid_t process;			/* 0: none */
	struct plan_map *maps;
	size_t n_maps;
};

gboolean plan_parse(struct plan *p, JsonObject *object, GError **error);
gboolean plan_load(struct plan *p, const char *path, GError **error);
void plan_clear(struct plan *p);

#endif /* PLAN_H */
