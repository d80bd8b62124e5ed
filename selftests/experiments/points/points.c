/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "points.h"
#include "symbols.h"

/* Around the places where the verdict changes, every point is tried. */
#define CLOSE		12

/* --- Which ------------------------------------------------------------------------ */

static bool is_close(size_t number, size_t place)
{
	return number + CLOSE >= place && number <= place + CLOSE;
}

static bool interrupts_go_off(const struct path *p, size_t number)
{
	return number && p->steps[number - 1].interrupts && !p->steps[number].interrupts;
}

bool plan_is_over(const struct plan *plan)
{
	return plan->deadline && now() > plan->deadline;
}

bool points_wanted(const struct plan *plan, size_t number)
{
	const struct path *p = plan->path;

	if (number % plan->stride == 0 || number + 1 == p->count)
		return true;
	if (plan->section->shape == FROM_INTERRUPTS_OFF)
		return interrupts_go_off(p, number) ||
		       (number + 1 < p->count && interrupts_go_off(p, number + 1));
	return is_close(number, (size_t)path_last_check(p)) || number + CLOSE > p->count;
}

/* --- What is known already -------------------------------------------------------- */

static struct point *add(struct points *p)
{
	if (p->count % 256 == 0)
		p->list = realloc(p->list, (p->count + 256) * sizeof(*p->list));
	if (!p->list)
		die("out of memory");
	return &p->list[p->count++];
}

/* A line as write_point() has it, newline and all. */
static bool read_point(FILE *f, struct point *p)
{
	char a[512], b[512], control[512], end;

	if (fscanf(f, "%zu %511s %511s %511s%c", &p->number, a, b, control, &end) != 5)
		return false;
	p->siblings[0] = text("%s", a);
	p->siblings[1] = text("%s", b);
	p->control = text("%s", control);
	return end == '\n';
}

/* What a run that was killed, or a disk that was full, left of a last line is cut off. */
static void read_points(struct points *p, const struct path *path, const char *file)
{
	FILE *f = fopen(file, "re");
	struct point point;
	long whole = 0;

	if (!f)
		return;
	while (read_point(f, &point)) {
		if (point.number >= path->count)
			die("%s is damaged: there is no point %zu", file, point.number);
		*add(p) = point;
		whole = ftell(f);
	}
	fclose(f);
	if (truncate(file, whole))
		die("%s: %s", file, strerror(errno));
}

static void write_point(FILE *f, const struct point *p)
{
	if (fprintf(f, "%zu %s %s %s\n", p->number, p->siblings[0], p->siblings[1], p->control) < 0 ||
	    fflush(f))
		die("cannot write down a point: %s", strerror(errno));
}

static bool is_known(const struct points *p, size_t number)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->list[i].number == number)
			return true;
	return false;
}

/* --- Trying one ------------------------------------------------------------------- */

static char *new_guid(void)
{
	FILE *f = fopen("/proc/sys/kernel/random/uuid", "re");
	char guid[40];

	if (!f || fscanf(f, "%39s", guid) != 1)
		die("no random UUID: %s", strerror(errno));
	fclose(f);
	return text("%s", guid);
}

/* A value counts where its tag is that of the live generation, as the device tells it. */
static char *accepted(const struct section *s, struct vm *vm, char *said)
{
	char tag[17];

	snprintf(tag, sizeof(tag), "%s", said);
	if (!s->conditional || strtoull(tag, NULL, 16) == qmp_generation(&vm->qmp) + 1)
		return said;
	free(said);
	return text(NOT_TAKEN);
}

/* What the parent had said by then is the beginning of what its clone says. */
static char *outcome(const struct section *s, struct vm *vm, const char *begun)
{
	const char *rest = strchr(begun, '\n') ? "" : vm_await_line(vm);

	return accepted(s, vm, text("%.*s%s", (int)strcspn(begun, "\n"), begun, rest));
}

static void try(struct point *point, const struct section *s, struct vm *parent)
{
	const struct machine *m = parent->machine;
	const char *begun = vm_heard(parent);
	char *state = text("%s/point.state", m->scratch), *guid;
	char **ret[] = { &point->siblings[0], &point->siblings[1], &point->control };
	static const char *const names[] = { "clone-1", "clone-2", "control" };
	struct vm clones[3];

	for (int i = 0; i < 3; i++) {
		guid = i < 2 ? new_guid() : text("%s", vm_guid);
		vm_clone(&clones[i], m, names[i], guid);
		free(guid);
	}
	qmp_save(&parent->qmp, state);
	for (int i = 0; i < 3; i++)
		vm_clone_run(&clones[i], state);
	for (int i = 0; i < 3; i++)
		*ret[i] = outcome(s, &clones[i], begun);
	for (int i = 0; i < 3; i++)
		vm_end(&clones[i]);
	free(state);
}

/* --- Trying all ------------------------------------------------------------------- */

static size_t left_to_try(const struct points *p, const struct plan *plan)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->path->count; i++)
		n += points_wanted(plan, i) && !is_known(p, i);
	return n;
}

/* In place on a terminal, a line now and then elsewhere. */
static void progress(const struct plan *plan, size_t done, size_t all, double start, bool last)
{
	static double said;
	bool terminal = isatty(2);
	double t = now(), rest = done ? (t - start) / (double)done * (double)(all - done) : 0;

	if (!last && t - said < (terminal ? 0.5 : 30))
		return;
	said = t;
	fprintf(stderr, "%ssnapshot-points: %s: %zu of %zu points, %.0f s, %.0f s to go%s",
		terminal ? "\r\033[K" : "", plan->section->name, done, all, t - start, rest,
		terminal && !last ? "" : "\n");
}

static void check_way(const struct path *path, size_t number, struct gdb *g)
{
	uint64_t pc = gdb_read_register(g, GDB_PC);

	if (pc != path->steps[number].pc)
		die("point %zu is at %s this time and was at %s before", number, symbols_place(pc),
		    symbols_place(path->steps[number].pc));
}

bool points_try(struct points *p, const struct plan *plan, struct vm *parent, const char *file)
{
	size_t number, done = 0, all;
	double start = now();
	struct point *point;
	FILE *f;

	read_points(p, plan->path, file);
	all = left_to_try(p, plan);
	f = fopen(file, "ae");
	if (!f)
		die("%s: %s", file, strerror(errno));
	for (number = 0; done < all && !plan_is_over(plan); number++) {
		if (points_wanted(plan, number) && !is_known(p, number)) {
			check_way(plan->path, number, &parent->gdb);
			point = add(p);
			point->number = number;
			try(point, plan->section, parent);
			write_point(f, point);
			progress(plan, ++done, all, start, false);
		}
		gdb_step(&parent->gdb);
		if (number % 64 == 0)
			qmp_drain(&parent->qmp);
	}
	fclose(f);
	progress(plan, done, all, start, true);
	return done == all;
}

static bool are_both(const struct point *p, const char *what)
{
	return !strcmp(p->siblings[0], what) && !strcmp(p->siblings[1], what);
}

static bool is_either(const struct point *p, const char *what)
{
	return !strcmp(p->siblings[0], what) || !strcmp(p->siblings[1], what);
}

enum kind point_kind(const struct point *p, const struct path *path)
{
	if (are_both(p, NOT_TAKEN))
		return WITHHELD;
	if (are_both(p, path->plain))
		return DUPLICATE;
	if (is_either(p, NOT_TAKEN) || is_either(p, path->plain) ||
	    !strcmp(p->siblings[0], p->siblings[1]))
		return MIXED;
	return FRESH;
}

const char *kind_name(enum kind kind)
{
	static const char *const names[] = { "fresh", "duplicate", "withheld", "mixed" };

	return names[kind];
}
