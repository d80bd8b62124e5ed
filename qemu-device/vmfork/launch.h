/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Starts a process of a machine: for run, fork, load and rollback. */
#ifndef VMFORK_LAUNCH_H
#define VMFORK_LAUNCH_H

#include "machine.h"

/* A new "run" of the machine: the next number, a new GUID. */
JsonObject *launch_plan(struct machine *m);
/*
 * Starts QEMU for the run that the record has as which ("run" or "next"), and loads its
 * state if it has one.  The machine waits then for machine_cont().  The process is in the
 * record before it executes QEMU.
 */
struct qmp *launch_start(struct machine *m, const char *which, GError **error);
/* The same in two halves, so that several can start at once. */
gboolean launch_spawn(struct machine *m, const char *which, GError **error);
struct qmp *launch_connect(struct machine *m, const char *which, GError **error);

/* The same on both sides of a state: events, and no memory in it that a view has. */
gboolean launch_capabilities(struct qmp *qmp, GError **error);
gboolean launch_await_migration(struct qmp *qmp, GError **error);

#endif
