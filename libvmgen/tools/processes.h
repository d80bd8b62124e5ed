/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Running processes with a random number generator of their own, and no libvmgen. */
#ifndef VMGEN_PROCESSES_H
#define VMGEN_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
	pid_t pid;
	char command[32];	/* as in /proc/PID/comm */
	unsigned int risks;	/* bits: indices of risk_name() */
};

struct processes {
	struct process *at_risk;
	size_t count;
	size_t examined;	/* with at_risk among them */
	size_t unreadable;
	bool hidden;		/* /proc does not list those of others */
};

/* Returns 0 or a negative errno value: they cannot be looked at, or not to the end. */
int find_processes(struct processes *ret);
void free_processes(struct processes *p);

/* NULL behind the last one. */
const char *risk_name(unsigned int index);

#endif /* VMGEN_PROCESSES_H */
