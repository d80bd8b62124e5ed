/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* QEMU's monitor, for what a snapshot needs. */
#ifndef QMP_H
#define QMP_H

#include "tool.h"

struct qmp {
	int fd;
	int migration;		/* 1: completed, -1: failed */
	size_t used;
	char in[16384];
	char line[16384];
};

void qmp_open(struct qmp *q, int fd);
void qmp_save(struct qmp *q, const char *file);
void qmp_load(struct qmp *q, const char *file);
void qmp_run(struct qmp *q);
uint64_t qmp_generation(struct qmp *q);
/* Each step is a STOP and a RESUME event: to be called now and then. */
void qmp_drain(struct qmp *q);

#endif
