/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The disks of machines.  QEMU opens no image: one qemu-storage-daemon has them all
 * (storage.h), and QEMU has a connection to it for each disk.
 *
 * A machine never writes the image that the user named.  It writes a qcow2 layer of its
 * own on top; disk_copy() makes one image of both.  While anything depends on an image,
 * no program of QEMU's can open it for writing, and one that was changed all the same is
 * refused by name.
 *
 * Machines and snapshots are "owners"; they share one space of names.
 */
#ifndef VMFORK_DISK_H
#define VMFORK_DISK_H

#include "store.h"

struct progress;

/* spec: see image_parse().  disk: {"id", "export", "layer", "format", "image", "how",
 * "index", "reconnect"}.  The image of a second machine must be another one. */
gboolean disk_attach(struct store *store, const char *owner, guint index, const char *spec,
		     JsonObject **disk, GError **error);
/* The same for an image of a saved folder, which any number of machines may load */
gboolean disk_load(struct store *store, const char *owner, guint index, const char *spec,
		   JsonObject **disk, GError **error);
/* disk_attach() by vhost-user-blk, for machines that are never viewed: QEMU's RAM is
 * shared. */
gboolean disk_attach_vhost(struct store *store, const char *owner, guint index,
			   const char *spec, JsonObject **disk, GError **error);

/* Before the pause.  A step that dies between here and disk_freeze() is taken back by the
 * next command. */
gboolean disk_prepare(struct store *store, JsonArray *disks, const char *snap,
		      GError **error);
/* In the pause.  Afterwards the snapshot owns the layers that were written until now. */
gboolean disk_freeze(struct store *store, JsonArray *disks, const char *snap,
		     GError **error);
/* After the pause: records that.  Without it the next function of this file does. */
gboolean disk_keep(struct store *store, JsonArray *disks, const char *snap, GError **error);
/* Takes disk_prepare() back, and disk_freeze() as well. */
void disk_abandon(struct store *store, JsonArray *disks, const char *snap);

/* A layer for the owner on top of each of the snapshot's */
gboolean disk_clone(struct store *store, const char *snap, const char *owner,
		    JsonArray **disks, GError **error);
/* Deletes what only this machine or snapshot needed.  That it has nothing is no error. */
gboolean disk_release(struct store *store, const char *owner, GError **error);
/* Deletes what a vmfork left that was killed, for rm and ls. */
gboolean disk_collect(struct store *store, GError **error);

/* One qcow2 file that stands alone, on disk when it returns.  progress may be NULL. */
gboolean disk_copy(struct store *store, const char *snap, guint index, const char *path,
		   struct progress *progress, GError **error);
/*
 * Shortens the chain of layers under a disk while machines run on it.  stream copies all
 * but the lowest layer into the top one: other disks keep what they have.  commit merges
 * a layer that nothing but this chain needs into one like it below.  trim streams when
 * the chain is longer than DISK_CHAIN.
 */
#define DISK_CHAIN 24
gboolean disk_stream(struct store *store, const char *owner, guint index,
		     struct progress *progress, GError **error);
gboolean disk_commit(struct store *store, const char *owner, guint index,
		     struct progress *progress, GError **error);
gboolean disk_trim(struct store *store, const char *owner, struct progress *progress,
		   GError **error);

/* The argument of -blockdev, for the node disk0, disk1 ...; vhost-user: NULL */
char *disk_blockdev(struct store *store, JsonObject *disk);
/* vhost-user: that of -chardev, for "-device vhost-user-blk-pci,config-wce=off,
 * num-queues=1,chardev=disk0": config-wce=on would let the guest undo the writethrough.
 * Else NULL */
char *disk_chardev(struct store *store, JsonObject *disk);

#endif
