/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The keeper holds the descriptors of a view and does nothing else, so that little can
 * end it.  It starts the worker, which does all the work, and starts it again when it
 * dies.
 *
 * What goes on with the next worker: the book (one shared mapping), the buffer, the
 * memory, the userfaultfd, /dev/fuse with the requests that are not read yet, and the
 * control socket.  Control connections end with their worker; all requests may be sent
 * again.
 *
 * A worker that dies KEEPER_DEATHS times within KEEPER_SECONDS seconds is not started
 * again: the keeper lets the machine go, unmounts, and ends; "log" says so.
 *
 * If the keeper alone is killed, the worker goes on without it.
 */
#ifndef KEEPER_H
#define KEEPER_H

#define KEEPER_DEATHS 64
#define KEEPER_SECONDS 10

struct view;

/* The keeper's life. */
void keeper_run(struct view *v) __attribute__((noreturn));

/* For the worker: it serves. */
int keeper_served(struct view *v);
/* The keeper closes its copies of userfaultfd and peer. */
int keeper_release(struct view *v);
/* The keeper holds these, of an older view, for later workers.  0 or -errno. */
int keeper_inherit(struct view *v, int uffd, int peer);
/* The keeper holds this descriptor of a lower "ram" for later workers.  0 or -errno. */
int keeper_lower(struct view *v, int fd);

#endif /* KEEPER_H */
