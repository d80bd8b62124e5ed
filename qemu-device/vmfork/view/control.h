/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The control socket: SOCK_SEQPACKET, one JSON object a datagram, one reply to each.
 *
 * A connection ends with its worker.  The client connects again and sends its request
 * again: each may be repeated.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stddef.h>

#include <json-glib/json-glib.h>

struct view;

/* Until the view is closed or the mount is gone. */
void control_run(struct view *v);

/* The reply to one request. */
JsonObject *control_answer(struct view *v, const char *text, size_t size);
/* The mount is gone: let the machine go, and the keeper end. */
void control_end(struct view *v);

#endif /* CONTROL_H */
