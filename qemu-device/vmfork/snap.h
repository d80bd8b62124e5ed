/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A snapshot is a folder of the store:
 *
 *	intent.json	written first: which machine it is of
 *	meta.json	written last: the snapshot is whole; meta.removed once rm is at work
 *	state, notes	device state; ELF notes of the processors
 *	ram-copy	the memory, where it was copied ("how": "copy")
 *	view/, control, buffer, index, view.json, log	the view, see view.h
 *
 * "how" in meta.json: "view" (memory shared with a live machine, write-protected), "process"
 * (a machine whose memory is private: what it wrote was copied) or "copy".  "base": the
 * snapshot in which everything is that this one has not got, "base-path" its file.
 */
#ifndef VMFORK_SNAP_H
#define VMFORK_SNAP_H

#include "store.h"

struct snap {
	struct store *store;
	char *name, *dir;
	JsonObject *meta;	/* NULL: half made */
	JsonObject *intent;	/* NULL: not even that */
};

/* The store is locked by the caller. */
struct snap *snap_new(struct store *store, const char *name, const char *machine,
		      GError **error);
struct snap *snap_open(struct store *store, const char *name, GError **error);
/* The same, but one that is half made or being removed is an error. */
struct snap *snap_use(struct store *store, const char *name, GError **error);
void snap_free(struct snap *s);
typedef struct snap snap_ref;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(snap_ref, snap_free)

char *snap_path(struct snap *s, const char *file);
gboolean snap_describe(struct snap *s, gboolean durable, GError **error);
/* The machine runs again: what the host's power may not take goes to the disk. */
gboolean snap_sync(struct snap *s, GError **error);
/* The file that a fork's memory is a private copy of. */
char *snap_ram(struct snap *s);
/* "machine web-1", "snapshot base": who lives off it */
GPtrArray *snap_users(struct store *store, const char *name);
/* From now on nobody can begin to use it.  Refuses when it is used. */
gboolean snap_mark(struct snap *s, GError **error);
void snap_unmark(struct snap *s);
/* Ends its view and removes all of it.  Without force it is refused while a file of the
 * view is open. */
gboolean snap_discard(struct snap *s, gboolean force, GError **error);
/* "web.1": the first name that is free for a snapshot of this machine */
char *snap_name(struct store *store, const char *machine);

#endif
