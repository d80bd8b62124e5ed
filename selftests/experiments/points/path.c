/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vmgenctr.h>

#include "path.h"
#include "symbols.h"

#define FLAGS_INTERRUPTS	0x200
/* A section that waits for time, which stands still, never ends. */
#define LONGEST			1000000
/* What a check loads begins so far before the generation, and ends with it. */
#define CHECKED(member)		offsetof(struct vmgenctr_generation_page, member)
#define CHECKED_BEFORE		(CHECKED(generation) - CHECKED(seq_count))
#define CHECKED_SIZE		(CHECKED_BEFORE + sizeof(uint64_t))
/* Steps between two looks at the monitor, which tells each of them. */
#define DRAIN_EVERY		64

static struct step *add(struct path *p)
{
	if (p->count % 1024 == 0)
		p->steps = realloc(p->steps, (p->count + 1024) * sizeof(*p->steps));
	if (!p->steps)
		die("out of memory");
	return &p->steps[p->count++];
}

/* After the stop that tells of a load, the next step goes nowhere. */
static bool step_over(struct gdb *g)
{
	uint64_t pc;

	if (!gdb_step(g))
		return false;
	pc = gdb_read_register(g, GDB_PC);
	gdb_step(g);
	if (gdb_read_register(g, GDB_PC) != pc)
		die("an instruction at %s was lost behind a watchpoint", symbols_place(pc));
	return true;
}

void path_walk(struct path *p, struct vm *parent, uint64_t end, uint64_t live)
{
	struct gdb *g = &parent->gdb;
	struct step *step;
	uint64_t pc;

	gdb_watch_loads(g, live - CHECKED_BEFORE, CHECKED_SIZE);
	while ((pc = gdb_read_register(g, GDB_PC)) != end) {
		if (p->count == LONGEST)
			die("the section has not ended after %d instructions, at %s", LONGEST,
			    symbols_place(pc));
		step = add(p);
		step->pc = pc;
		step->interrupts = gdb_read_register(g, GDB_FLAGS) & FLAGS_INTERRUPTS;
		step->check = step_over(g);
		if (p->count % DRAIN_EVERY == 0)
			qmp_drain(&parent->qmp);
	}
	gdb_no_watch(g, live - CHECKED_BEFORE, CHECKED_SIZE);
	gdb_continue(g);
	snprintf(p->plain, sizeof(p->plain), "%s", vm_await_line(parent));
}

void path_write(const struct path *p, const char *file)
{
	FILE *f = fopen(file, "we");

	if (!f)
		die("%s: %s", file, strerror(errno));
	fprintf(f, "%s\n", p->plain);
	for (size_t i = 0; i < p->count; i++)
		fprintf(f, "%" PRIx64 " %d %d\n", p->steps[i].pc, p->steps[i].interrupts,
			p->steps[i].check);
	if (fclose(f))
		die("%s: %s", file, strerror(errno));
}

bool path_read(struct path *p, const char *file)
{
	FILE *f = fopen(file, "re");
	int interrupts, check;
	struct step *step;
	uint64_t pc;

	if (!f)
		return false;
	if (fscanf(f, "%511s", p->plain) != 1)
		die("%s is damaged", file);
	while (fscanf(f, "%" SCNx64 " %d %d", &pc, &interrupts, &check) == 3) {
		step = add(p);
		*step = (struct step){ pc, interrupts, check };
	}
	fclose(f);
	return true;
}

long path_last_check(const struct path *p)
{
	long last = -1;

	for (size_t i = 0; i < p->count; i++)
		if (p->steps[i].check)
			last = (long)i;
	return last;
}

size_t path_checks(const struct path *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++)
		n += p->steps[i].check;
	return n;
}
