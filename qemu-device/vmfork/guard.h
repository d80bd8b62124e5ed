/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A child that waits for the end of a command that is about to stop a machine.  If the
 * command dies before guard_dismiss(), the guard does what machine_recover() does, so that
 * the machine does not stay stopped.  It holds the machine's lock, too: no other command
 * comes between.
 */
#ifndef VMFORK_GUARD_H
#define VMFORK_GUARD_H

#include "machine.h"

struct guard {
	pid_t pid;
	int pipe;
};

gboolean guard_start(struct guard *guard, struct machine *m, GError **error);
void guard_dismiss(struct guard *guard);

#endif
