/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The step by which a machine's disks get new top layers, all in one instant.  It is
 * recorded as pending before it is done, so that after a crash it is either finished or
 * taken back:
 *
 *	daemon alive	it says which layer the disk ends at
 *	daemon dead	finished if the transaction may have been sent, which an empty file
 *			DIR/images/SNAP.switch tells.  If the daemon never got it the new
 *			layers are empty, and what the guest reads is the same
 *
 * In the pause is only the file and the transaction, no fsync(): after a power cut no
 * guest runs that could miss what it wrote.
 */
#ifndef VMFORK_SWITCH_H
#define VMFORK_SWITCH_H

#include "storage.h"

/* Makes and records a layer for each disk, and tells the daemon. */
gboolean switch_begin(struct storage *s, JsonArray *disks, const char *snap, GError **error);
/* The one transaction */
gboolean switch_apply(struct storage *s, const char *snap, GError **error);
/* Records what switch_apply() did: the old layers are those of the snapshot. */
gboolean switch_finish(struct storage *s, const char *snap, GError **error);
gboolean switch_undo(struct storage *s, const char *snap, GError **error);
/* Finishes the steps that were done, and takes back those of dead processes. */
gboolean switch_settle(struct storage *s, GError **error);

/* A new empty layer on top of one, file and record, which the caller saves */
const char *switch_layer(struct storage *s, const char *backing, GError **error);

#endif
