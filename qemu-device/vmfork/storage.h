/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The one qemu-storage-daemon that owns all images of a store:
 *
 *	DIR/storage/qmp.sock	its monitor, used under DIR/storage/lock
 *	DIR/storage/jobs.sock	a second one, for what takes long (job.h)
 *	DIR/storage/nbd.sock	where QEMU finds its disks, by the name of the disk
 *	DIR/storage/d3.sock	a disk by vhost-user-blk
 *	DIR/storage/daemon.json	its process, as in process.h
 *	DIR/storage/pid, log	its process id; what it said when it started
 *
 * The daemon knows what the record says (layers.h): storage_open() brings it there, be it
 * after the death of the daemon or of a vmfork in the middle of a step.  vmfork-storage
 * waits for the daemon's death and does so at once, so that running guests only wait.
 *
 * Every export is "writethrough": a write is answered when it is on disk.  Without that a
 * guest would lose data when the daemon dies: a write that was answered, but whose qcow2
 * metadata were in the daemon's memory only, would be gone, and the flush that the guest
 * sends to the next daemon would succeed.
 */
#ifndef VMFORK_STORAGE_H
#define VMFORK_STORAGE_H

#include "layers.h"
#include "qmp.h"

/* For how long requests of a guest wait for a daemon that is gone, in seconds */
#define STORAGE_RECONNECT 300

enum storage_how {
	STORAGE_LOOK,		/* the daemon runs if a disk or snapshot needs it */
	STORAGE_START,		/* it runs */
	STORAGE_QUICK,		/* it runs, and is believed to know the record */
};

struct storage {
	struct layers layers;
	struct qmp *qmp;	/* NULL: nothing needs a daemon */
	gboolean fresh;		/* it was started by us */
};

gboolean storage_open(struct storage *s, struct store *store, enum storage_how how,
		      GError **error);
/* Ends the daemon if nothing needs it any more. */
void storage_close(struct storage *s);
/* Deletes what nothing needs: records, nodes and files. */
gboolean storage_collect(struct storage *s, GError **error);

/* Brings a disk or a layer to where the record says that it is. */
gboolean storage_raise(struct storage *s, const char *disk, GError **error);
gboolean storage_add(struct storage *s, const char *layer, GError **error);
/* The layer that a disk of a running daemon ends at: a copy, or NULL */
char *storage_top(struct storage *s, const char *disk);

/* The process of the daemon, or NULL */
JsonObject *storage_process(struct store *store);
/* Starts vmfork-storage unless it runs. */
gboolean storage_watch(struct store *store, GError **error);

#endif
