/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The file "ram": RAM as it was when the view was frozen. */
#ifndef RAM_H
#define RAM_H

#include "view.h"

/* All of it must be within the file.  0, -EAGAIN before the freeze, -EIO after a drop. */
int ram_read(const struct view *v, uint64_t offset, char *buf, size_t size);

/* lseek() for SEEK_DATA and SEEK_HOLE. */
int64_t ram_seek(const struct view *v, uint64_t offset, int whence);

#endif /* RAM_H */
