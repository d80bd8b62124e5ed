/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A fork's memory is private: it writes to copies of its own, and all else is in the
 * lower view.  While it stands, those copies are kept; later writes change nothing.
 */
#ifndef PRIVATE_H
#define PRIVATE_H

#include <stdint.h>

struct view;

/* Keep the private frames; *ret: how many.  0 or -errno. */
int private_keep(struct view *v, uint64_t *ret);

#endif /* PRIVATE_H */
