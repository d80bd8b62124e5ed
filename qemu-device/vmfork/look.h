/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* How machines and snapshots are, for ls and status: nothing is changed, nothing locked. */
#ifndef VMFORK_LOOK_H
#define VMFORK_LOOK_H

#include "machine.h"
#include "snap.h"

/* One row of ls. */
JsonObject *look_machine(struct machine *m);
JsonObject *look_snapshot(struct snap *s);
/* The same and more: QEMU and the servers are asked. */
JsonObject *look_closer_machine(struct machine *m);
JsonObject *look_closer_snapshot(struct snap *s);

#endif
