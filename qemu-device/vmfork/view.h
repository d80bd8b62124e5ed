/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The server of one view, vmfork-view: started, asked and ended.  dir: of the snapshot. */
#ifndef VMFORK_VIEW_H
#define VMFORK_VIEW_H

#include "process.h"
#include "vmfork.h"

#define VIEW_PATIENCE (10 * G_USEC_PER_SEC)

struct view_options {
	gint64 budget;		/* 0: none */
	const char *on_full, *monitor;	/* or NULL */
};

/* NULL, and why, where vmfork-view is not installed. */
char *view_program(GError **error);
/* Starts it.  description: see the server's --view; fds: those that it names. */
gboolean view_serve(const char *dir, JsonObject *description, const struct process_fd *fds,
		    size_t n, const struct view_options *options, GError **error);
/* One request: {"op": op} and what is in request, which is taken and may be NULL. */
JsonObject *view_ask(const char *dir, const char *op, JsonObject *request, gint64 patience,
		     GError **error);
gboolean view_do(const char *dir, const char *op, JsonObject *request, gint64 patience,
		 GError **error);
/* Records (process.h) of its processes, if it answers or not. */
GPtrArray *view_processes(const char *dir);
/* The number of one that was stopped (kill -STOP), or 0. */
gint64 view_stopped(const char *dir);
gboolean view_mounted(const char *dir);
/* Asked to end, and killed where it does not answer.  Without force a file of the view
 * that somebody reads is a reason not to. */
gboolean view_end(const char *dir, gboolean force, GError **error);
gboolean view_unmount(const char *dir, GError **error);

#endif
