/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the machine says of itself, beside libvmgen. */
#ifndef VMGEN_MACHINE_H
#define VMGEN_MACHINE_H

#include <stdbool.h>

/* Also true where nobody can tell. */
bool machine_is_virtual(void);
/* The firmware has a VM Generation ID. */
bool machine_has_vmgenid(void);
/* The kernel's driver of VMGenID is at work: it reseeds the CRNG after a restore. */
bool kernel_hears_of_restores(void);
/* The kernel has a vmgenctr that is not in this /dev. */
bool counter_is_hidden(void);

/* One of the counters may not be read by this user. */
bool counter_is_denied(void);

enum random_state { RANDOM_READY, RANDOM_NOT_YET, RANDOM_FAILS };
enum random_state kernel_random_state(void);

/* A page can be wiped in the child of a fork, and the kernel means it. */
bool kernel_wipes_on_fork(void);

#endif /* VMGEN_MACHINE_H */
