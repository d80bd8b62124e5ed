/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * QEMU's command line: the user's options are kept as they were given, as a template; each
 * process gets its own memory, sockets, GUID and disks.  In the user's options {dir} is
 * the folder of the process and {name} the name of the machine.
 */
#ifndef VMFORK_ARGS_H
#define VMFORK_ARGS_H

#include "vmfork.h"

/* Numbers of the descriptors that QEMU inherits. */
enum { ARGS_MEMORY = 3, ARGS_QMP = 4, ARGS_VIEW = 5 };

/* Refuses options with which a fork would not be what it seems. */
gboolean args_check(char **options, GError **error);
/* The user started the machine with -S. */
gboolean args_paused(JsonArray *options);
/* record: of the machine; run: of this process of it; both as machine.h has them.  disks: of
 * each disk_blockdev() or disk_chardev(). */
GStrv args_build(JsonObject *record, JsonObject *run, const char *dir, GPtrArray *disks);

#endif
