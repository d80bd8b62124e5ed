/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Locks are flock()s: the kernel drops that of a dead process, so none is ever stale.
 */
#ifndef VMFORK_LOCK_H
#define VMFORK_LOCK_H

#include <gio/gio.h>

#define LOCK_PATIENCE (60 * G_USEC_PER_SEC)

/* The descriptor of the file, locked, or -1.  what: for the message, "machine web" */
int lock_take(const char *path, const char *what, gint64 patience, GError **error);
gboolean lock_is_held(const char *path);

#endif
