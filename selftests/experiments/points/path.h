/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The way of the parent through its section: every instruction, once walked without a
 * snapshot.  A point is the boundary before an instruction.
 */
#ifndef PATH_H
#define PATH_H

#include "vm.h"

struct step {
	uint64_t pc;
	bool interrupts;	/* are on before it */
	/*
	 * In user space it loads the live generation, or the number by which a reader
	 * knows that it was not replaced meanwhile.
	 */
	bool check;
};

struct path {
	struct step *steps;
	size_t count;
	char plain[512];	/* what the parent hands out when nobody clones it */
};

/* The guest stands at the first instruction; @live is where the generation is. */
void path_walk(struct path *p, struct vm *parent, uint64_t end, uint64_t live);
bool path_read(struct path *p, const char *file);
void path_write(const struct path *p, const char *file);

/* The number of the last check; -1 if there is none. */
long path_last_check(const struct path *p);
size_t path_checks(const struct path *p);

#endif
