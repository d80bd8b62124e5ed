/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Disks of saved folders, and the owners of disks: a process of a machine, or a snapshot. */
#ifndef VMFORK_ADOPT_H
#define VMFORK_ADOPT_H

#include "machine.h"

/* Disks 0 to n-1 of a saved folder.  They are the owner's, also those before one that fails. */
gboolean adopt_disks(struct store *store, const char *dir, guint n, const char *owner,
		     JsonArray *disks, GError **error);
/* The owner of the disks of a run. */
char *adopt_owner(struct machine *m, JsonObject *run);
/* What only this run needed; collect() deletes later what cannot be deleted now. */
void adopt_release(struct machine *m, JsonObject *run);
/* The same of a snapshot. */
void adopt_release_snap(struct store *store, const char *snap);

#endif
