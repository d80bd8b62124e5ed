/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the machine says of itself, beside libvmgen. */
#ifndef VMGEN_MACHINE_H
#define VMGEN_MACHINE_H

#include <stdbool.h>

/* Also true where nobody can tell. */
bool machine_is_virtual(void);
/* The firmware has a VM Generation ID. */
bool machine_has_vmgenid(void);
/* Whether the kernel's driver of VMGenID is at work: it reseeds the CRNG after a restore. */
enum hearing { HEARING_NO, HEARING_YES, HEARING_UNKNOWN };
enum hearing kernel_hears_of_restores(void);
/* The kernel has a vmgenctr that is not in this /dev. */
bool counter_is_hidden(void);

/* The first device that this user may not read, or NULL. */
const char *denied_device(void);
/* It is a counter, whatever is in it.  A clock may be one or not. */
bool device_counts(const char *node);

/* 0, or a negative errno value: -EAGAIN when it is not ready yet. */
int kernel_random_state(void);

/* Whether a guard in a child sees that it is in one; found by trying. */
enum fork_seen {
	FORK_SEEN,
	FORK_OF_LIBC_ONLY,	/* not when the child is made by a system call */
	FORK_MISSED,
	FORK_UNKNOWN		/* there was no child to try it */
};
enum fork_seen try_fork(void);

#endif /* VMGEN_MACHINE_H */
