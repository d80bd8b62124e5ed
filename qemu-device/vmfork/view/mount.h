/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The mount of a view: by root directly, by others through fusermount3. */
#ifndef MOUNT_H
#define MOUNT_H

#include <stdbool.h>

#include <glib.h>

/* The descriptor of /dev/fuse, or -1. */
int mount_create(const char *path, GError **error);
/* @force: out of sight now, gone when the last user is.  0 or -errno (-EBUSY: in use). */
int mount_remove(const char *path, bool force);

#endif /* MOUNT_H */
