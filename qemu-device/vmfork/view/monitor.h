/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The machine's monitor, for one purpose: to stop it when no room is left. */
#ifndef MONITOR_H
#define MONITOR_H

/* Sends `stop` for each event of faults.stop, and answers by faults.stopped. */
void *monitor_thread(void *view);

#endif /* MONITOR_H */
