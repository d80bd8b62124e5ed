/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* New machines: of their own (run), of a snapshot (fork) or of a folder (load). */
#ifndef VMFORK_CLONE_H
#define VMFORK_CLONE_H

#include "machine.h"
#include "snap.h"

/* A machine that is recorded as half made, locked, with a run that is not started.  The
 * store is locked by the caller, who fills the record and calls machine_note(). */
struct machine *clone_new(struct store *store, const char *name, GError **error);
/* What a fork of the snapshot is loaded from. */
void clone_source(JsonObject *run, struct snap *s);
/* Started and loaded: lets it run, and records it as whole. */
gboolean clone_ready(struct machine *m, struct qmp *qmp, gboolean run, GError **error);
/* Takes back all of it. */
void clone_discard(struct machine *m);
/* {"machine", "pid", "guid", "instance", "qmp", ...} for --json */
JsonObject *clone_report(struct machine *m);

#endif
