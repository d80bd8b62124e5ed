/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VMFORK_COLLECT_H
#define VMFORK_COLLECT_H

#include "store.h"

/*
 * Deletes disks of machines and snapshots that are no more, and images that no disk needs:
 * what a vmfork left that was killed, or that could not delete them.  It costs one look at
 * a record and a folder when there is nothing.  While another vmfork is at work it does
 * nothing; what it cannot delete is a warning.
 */
void collect(struct store *store);

#endif
