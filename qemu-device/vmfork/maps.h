/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Where a process has mapped a file: an array of {"host", "offset", "size"}. */
#ifndef VMFORK_MAPS_H
#define VMFORK_MAPS_H

#include "vmfork.h"

JsonArray *maps_of(gint64 pid, const char *path, GError **error);

#endif
