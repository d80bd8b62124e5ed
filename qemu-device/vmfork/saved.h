/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A saved snapshot is a folder that needs nothing else: meta.json, ram, state, notes (where
 * there are any), disk0.qcow2 and so on.  It is written as DIR.partial-PID, which its
 * writer has locked, and renamed when all of it is on the disk.
 */
#ifndef VMFORK_SAVED_H
#define VMFORK_SAVED_H

#include "vmfork.h"

/* The folder that is being written; its descriptor, locked, or -1. */
int saved_begin(const char *dir, char **partial, GError **error);
/* fsync()s each file and the folder, and gives it its name. */
gboolean saved_commit(int fd, const char *partial, const char *dir, GError **error);
/* Partial folders of DIR whose writers are dead. */
void saved_sweep(const char *dir);
/* meta.json of a folder that is whole. */
JsonObject *saved_open(const char *dir, GError **error);

#endif
