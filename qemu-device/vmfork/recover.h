/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a command leaves in the record of a machine while it changes it ("doing"), so that
 * its guard, or the next command, can take that back or bring it to its end:
 *
 *	{"verb": "run"}		half made: "vmfork rm" removes it
 *	{"verb": "snapshot", "snapshot", "running", "old", "detached"}
 *		detached: the older view hands over.  The snapshot has meta.json: the older
 *		view is rebased onto it; without it the snapshot is removed.  Then a machine
 *		that ran runs on.
 *	{"verb": "rollback", "running", "committed"}
 *		committed: the new process takes the place of the old one; before that the new
 *		one is ended, and the old one runs on if it ran.
 */
#ifndef VMFORK_RECOVER_H
#define VMFORK_RECOVER_H

#include "machine.h"
#include "snap.h"

/* What is recorded, or NULL; a new one.  The record must be noted afterwards. */
JsonObject *recover_doing(struct machine *m);
JsonObject *recover_begin(struct machine *m, const char *verb);
gboolean recover_done(struct machine *m, GError **error);
gboolean recover_is_half_made(struct machine *m);

/* The machine is locked by the caller. */
gboolean machine_recover(struct machine *m, GError **error);
/* machine_open(), machine_take(), machine_recover(), and not half made */
struct machine *recover_open(struct store *store, const char *name, GError **error);

/* The older view lets go of the memory: what it has not got is in s. */
gboolean recover_rebase(struct machine *m, struct snap *s, const char *old, GError **error);
/* A committed rollback: the new process takes the place of the old one. */
gboolean recover_takeover(struct machine *m, GError **error);
/* Removes what a rollback left of the process before. */
gboolean recover_drop_old(struct machine *m, GError **error);

#endif
