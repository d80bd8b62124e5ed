/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What takes long in the storage daemon.  It has a monitor of its own, so that other
 * commands go on meanwhile; one job runs at a time.
 */
#ifndef VMFORK_JOB_H
#define VMFORK_JOB_H

#include "qmp.h"
#include "store.h"

/* The name of the job, and of the node that it writes to if that is a new one */
#define JOB_NAME "job"

struct progress;

struct job {
	int lock;
	struct qmp *qmp;
};

/* Waits for the job of another command.  What a dead one left is ended. */
gboolean job_open(struct job *job, struct store *store, GError **error);
void job_close(struct job *job);
/* Runs the command, whose arguments get a "job-id", to its end.  ^C ends the job. */
gboolean job_run(struct job *job, const char *command, JsonObject *arguments,
		 struct progress *progress, GError **error);

#endif
