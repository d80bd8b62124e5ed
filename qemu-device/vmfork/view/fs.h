/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The mount: ram, core, state, meta.json.
 *
 * A worker that dies takes no request with it.  Each thread reads its requests into the
 * book, where they stay until they are answered; the next worker answers what it finds
 * there first.  (An answer that was given already is refused by the kernel, and nothing
 * here changes by being done twice: an open file is known by the request that opened it.)
 * libfuse wants to see the kernel's first request before any other, so that each worker
 * shows it a copy of it, under a number that the kernel does not know.
 */
#ifndef FS_H
#define FS_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <stdbool.h>
#include <stdint.h>

struct view;

/* A session that has the file system's operations, not yet mounted. */
struct fuse_session *fs_session(struct view *v);
/* Answer what is left, start the threads. */
bool fs_start(struct view *v);
/* Open files; of "ram" and "core" alone if @frozen. */
unsigned int fs_users(const struct view *v, bool frozen);

#endif /* FS_H */
