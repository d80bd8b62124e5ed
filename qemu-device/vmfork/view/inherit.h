/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The userfaultfd and the peer of a machine, from the server of an older view to that of
 * the next one: the reply to {"op": "hand-over"} has both with it.
 */
#ifndef INHERIT_H
#define INHERIT_H

#include <stdint.h>

#define INHERIT_FDS 2

/* By the older server. */
void inherit_send(int sock, const char *text, const int fds[INHERIT_FDS]);

/*
 * By the next one: ask the server at @path.  *frames: what was left to protect.  0, or
 * -ENOTCONN; the log says why.
 */
int inherit_ask(const char *path, int fds[INHERIT_FDS], uint64_t *frames);

#endif /* INHERIT_H */
