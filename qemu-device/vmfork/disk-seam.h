/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The disks of machines, or, in a tree that has not got them, that there are none. */
#ifndef VMFORK_DISK_SEAM_H
#define VMFORK_DISK_SEAM_H

#include "store.h"

#if __has_include("disk.h")
#include "disk.h"
#else
static inline gboolean disk_attach(struct store *s G_GNUC_UNUSED, const char *o G_GNUC_UNUSED,
				   guint i G_GNUC_UNUSED, const char *spec G_GNUC_UNUSED,
				   JsonObject **d G_GNUC_UNUSED, GError **error)
{
	return vmfork_fail(error, VMFORK_REFUSED, "this vmfork is built without disks");
}
#define disk_load disk_attach
#define disk_keep(store, disks, snap, error) ((void)(error), TRUE)
#define disk_prepare(store, disks, snap, error) ((void)(error), TRUE)
#define disk_freeze(store, disks, snap, error) ((void)(error), TRUE)
#define disk_abandon(store, disks, snap) ((void)(snap))
#define disk_clone(store, snap, owner, disks, error) \
	((void)(error), (void)(owner), *(disks) = json_array_new(), TRUE)
#define disk_release(store, owner, error) ((void)(owner))
#define disk_blockdev(store, disk) ((void)(store), (void)(disk), g_strdup(""))
#define disk_copy(store, snap, index, path, progress, error) ((void)(error), FALSE)
#endif

#endif
