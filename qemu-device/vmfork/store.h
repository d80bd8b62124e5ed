/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The folder in which vmfork keeps what it knows.
 *
 *	DIR/lock			held for each change of the lists below, shortly
 *	DIR/machines/NAME/		see machine.h
 *	DIR/snapshots/SNAP/		see snap.h
 */
#ifndef VMFORK_STORE_H
#define VMFORK_STORE_H

#include "vmfork.h"

struct store {
	char *dir;		/* absolute, without symbolic links */
	int lock;		/* -1: not held */
};

/* dir: NULL for VMFORK_DIR or the default.  The folder is made when it is missing. */
struct store *store_open(const char *dir, GError **error);
void store_free(struct store *store);


/* DIR/..., ended by NULL */
char *store_path(struct store *store, ...) G_GNUC_NULL_TERMINATED;
gboolean store_lock(struct store *store, GError **error);
void store_unlock(struct store *store);

/* FALSE, and why, for what is not [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
gboolean store_name(const char *name, GError **error);
/* The names below "machines" or "snapshots", sorted. */
GPtrArray *store_list(struct store *store, const char *kind);

/* The object in a file; what is missing, unreadable or no JSON object is an error. */
JsonObject *store_read(const char *path, GError **error);
/* By rename, so that a reader has the old or the new one; store_write() also fsync()s. */
gboolean store_write(const char *path, JsonObject *object, GError **error);
gboolean store_note(const char *path, JsonObject *object, GError **error);

/* Deletes a tree, without following symbolic links or leaving the file system. */
gboolean store_remove(const char *path, GError **error);

#endif
