/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The file "core".  It is built when it is first looked at, by each worker
 * anew: the notes and the frozen RAM are the same, so the core is.
 */
#ifndef COREFILE_H
#define COREFILE_H

#include <stdint.h>

struct view;

/* All: a negative errno if it fails; -ENOENT: there are no notes. */
int64_t corefile_size(struct view *v);
/* Bytes that were read. */
int64_t corefile_read(struct view *v, uint64_t at, char *buf, uint64_t size);
int64_t corefile_seek(struct view *v, uint64_t at, int whence);

#endif /* COREFILE_H */
