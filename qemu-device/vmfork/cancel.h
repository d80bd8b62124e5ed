/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * ^C and SIGTERM.  A thread waits for them and cancels the one GCancellable that every
 * wait of the command is given.  What takes a step back must not be cancelled itself: it
 * runs between cancel_shield() and cancel_expose().
 */
#ifndef VMFORK_CANCEL_H
#define VMFORK_CANCEL_H

#include <gio/gio.h>

void cancel_start(void);
GCancellable *cancel_token(void);	/* NULL while shielded */
gboolean cancel_came(void);		/* shielded or not */
gboolean cancel_check(GError **error);	/* FALSE, and the error, once cancelled */
void cancel_shield(void);
void cancel_expose(void);
/* Waits for so long, or less if cancelled. */
gboolean cancel_sleep(gint64 us, GError **error);

#endif
