/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Processes that outlive the command: QEMU, the servers, the guard.  A record of one is
 * {"pid", "start", "boot"}: a number alone could be another process's by now.
 */
#ifndef VMFORK_PROCESS_H
#define VMFORK_PROCESS_H

#include "vmfork.h"

#define PROCESS_FDS 24

/* One of the parent's descriptors, and the number that the child has it under. */
struct process_fd {
	int from, to;
};

struct process {
	const char *const *argv;
	const struct process_fd *fds;
	size_t n;
	const char *log;	/* output and errors go there; NULL: /dev/null */
	pid_t pid;
	int gate, failed;	/* see process.c */
};

/* Forks.  The child does not execute argv before process_go(), and ends if that never
 * comes, so that what is not recorded does not run. */
gboolean process_prepare(struct process *process, GError **error);
gboolean process_go(struct process *process, GError **error);
void process_abandon(struct process *process);
/* Runs it to its end; its exit status, or -1. */
int process_run(struct process *process, GError **error);

JsonObject *process_record(pid_t pid);
gboolean process_alive(JsonObject *record);	/* NULL is not alive */
/* 'R', 'S', 'T' ...; 0: it is gone */
char process_state(JsonObject *record);
gboolean process_signal(JsonObject *record, int signal);
/* TRUE once it is gone. */
gboolean process_await_end(JsonObject *record, gint64 timeout_us, GError **error);
/* SIGKILL, and waits for the end. */
gboolean process_end(JsonObject *record, GError **error);

#endif
