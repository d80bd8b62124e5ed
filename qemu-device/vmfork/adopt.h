/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Disks of saved folders: the images there are only read, by as many machines as are loaded
 * from them.  The storage knows them as a snapshot "saved@...", which is given up with the
 * last of these machines.  No machine or snapshot can have a name with "@".
 */
#ifndef VMFORK_ADOPT_H
#define VMFORK_ADOPT_H

#include "machine.h"

/* The store is locked by the caller. */
gboolean adopt_disks(struct store *store, const char *dir, guint n, const char *owner,
		     JsonArray **disks, GError **error);
/* The owner of the disks of a run. */
char *adopt_owner(struct machine *m, JsonObject *run);
/* What only this run needed; what cannot be deleted now is with the next rm. */
void adopt_release(struct machine *m, JsonObject *run);
/* The same of a snapshot. */
void adopt_release_snap(struct store *store, const char *snap);

#endif
