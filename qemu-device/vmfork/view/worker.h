/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The worker does all the work of a view, on what those before it left. */
#ifndef WORKER_H
#define WORKER_H

struct view;

void worker_run(struct view *v) __attribute__((noreturn));

#endif /* WORKER_H */
