/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What wait, watch and exec share. */
#ifndef VMGEN_WAITING_H
#define VMGEN_WAITING_H

#include "command.h"

/* Exits if there is nothing to watch. */
vmgen_watch *watch_counter(const struct command *self);

/* For those who begin with it; exits if there is none. */
void current_generation(const struct command *self, struct vmgen_info *ret);

/* Returns when there was a change; exits if nobody will tell of any. */
void next_change(const struct command *self, vmgen_watch *w, struct vmgen_info *ret);

/* One line, and it is out. */
void print_change(const struct command *self, const struct vmgen_info *info, bool json);

#endif /* VMGEN_WAITING_H */
