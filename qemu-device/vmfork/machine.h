/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A machine is a folder of the store:
 *
 *	machine.json	the record, see below
 *	lock		held by who changes the machine, and by its guard (guard.h)
 *	run.N/		of its Nth process: qmp.sock, view.sock, log, and what the user puts
 *			there by {dir}; "run" links to the one of the present process, and
 *			qmp.sock, view.sock and log link to what is in it
 *
 * The record:
 *
 *	name, created, instance		who it is; stays over a rollback
 *	memory, cpus, qemu, qemu-version, options, devices, no-view	what it is
 *	run	the present process; next: the one that a rollback prepares
 *		old: the one before, until nothing is left of it
 *		  number, process (process.h), guid, disks
 *		  ram	the file that its memory is a private copy of; without it the
 *			memory is a shared memfd
 *		  from	the snapshot that this file is of
 *		  state	what it was loaded from
 *	view	the snapshot whose view write-protects the memory of the present process
 *	doing	what a command was about to do; its death leaves that (recover.h)
 */
#ifndef VMFORK_MACHINE_H
#define VMFORK_MACHINE_H

#include "qmp.h"
#include "store.h"

struct machine {
	struct store *store;
	char *name, *dir;
	JsonObject *record;
	int lock;
};

/* The store is locked by the caller.  The new machine is, too. */
struct machine *machine_new(struct store *store, const char *name, GError **error);
struct machine *machine_open(struct store *store, const char *name, GError **error);
void machine_free(struct machine *m);
typedef struct machine machine_ref;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(machine_ref, machine_free)

/* Waits for who is at work on it, and reads the record again. */
gboolean machine_take(struct machine *m, GError **error);
gboolean machine_note(struct machine *m, GError **error);
/* Ends the process and removes the folder. */
gboolean machine_remove(struct machine *m, GError **error);

JsonObject *machine_run(struct machine *m, const char *which);	/* "run", "next"; or NULL */
const char *machine_string(JsonObject *object, const char *name);	/* or NULL */
char *machine_path(struct machine *m, JsonObject *run, const char *file);
gboolean machine_alive(struct machine *m);
JsonArray *machine_disks(JsonObject *run);	/* or NULL where there are none */
/* /proc/PID/fd/N of the memfd: an open one of our own */
int machine_memory(JsonObject *run, GError **error);

struct qmp *machine_connect(struct machine *m, JsonObject *run, GError **error);
/* "running", "paused", ...; a copy */
char *machine_status(struct qmp *qmp, GError **error);
gboolean machine_cont(struct qmp *qmp, GError **error);
/* The generation counter's value, or -1 where the machine has none. */
gint64 machine_generation(struct qmp *qmp);
/* By QMP, and where that does not help by a signal. */
gboolean machine_end(struct machine *m, JsonObject *run, GError **error);
/* Makes the process run the present one: links, record. */
gboolean machine_enter(struct machine *m, JsonObject *run, GError **error);

#endif
