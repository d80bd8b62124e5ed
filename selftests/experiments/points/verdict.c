/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "symbols.h"
#include "verdict.h"

#define complain(v, ...) \
	((v)->complaint_count < COMPLAINTS ? \
	 (void)((v)->complaints[(v)->complaint_count++] = text(__VA_ARGS__)) : (void)0)

static int by_number(const void *a, const void *b)
{
	size_t x = ((const struct point *)a)->number, y = ((const struct point *)b)->number;

	return x < y ? -1 : x > y;
}

static void count(struct verdict *v, const struct path *path, const struct points *points)
{
	const struct point *p;

	for (p = points->list; p < points->list + points->count; p++) {
		v->tried++;
		v->withheld += !strcmp(p->siblings[0], WITHHELD);
		v->controls += !strcmp(p->control, path->plain);
		if (!point_is_duplicate(p))
			continue;
		v->duplicates++;
		v->in_user_space += !is_kernel(path->steps[p->number].pc);
		if (v->first < 0)
			v->first = (long)p->number;
	}
}

/* Duplicates are those from @from on, all of them and no others. */
static void only_from(struct verdict *v, const struct path *path, const struct points *points,
		      long from)
{
	const struct point *p;

	for (p = points->list; p < points->list + points->count; p++)
		if (point_is_duplicate(p) != ((long)p->number >= from))
			complain(v, "point %zu, at %s, %s", p->number,
				 symbols_place(path->steps[p->number].pc),
				 point_is_duplicate(p) ? "duplicates" : "does not duplicate");
}

static void behind_the_check(struct verdict *v, const struct section *s, const struct path *path,
			     const struct points *points)
{
	v->expected = s->least_percent ?
		text("exactly behind the only check, %u %% or more", s->least_percent) :
		text("exactly behind the last check, at most %u in user space", s->most);
	only_from(v, path, points, v->last_check + 1);
	if (v->in_user_space > s->most)
		complain(v, "%zu points in user space are behind the last check", v->in_user_space);
	if (v->duplicates * 100 < s->least_percent * v->tried)
		complain(v, "%zu of %zu is less than %u %%", v->duplicates, v->tried,
			 s->least_percent);
}

static void nowhere(struct verdict *v, const struct path *path, const struct points *points)
{
	v->expected = text("nowhere");
	only_from(v, path, points, (long)path->count);
}

static void from_interrupts_off(struct verdict *v, const struct path *path,
				const struct points *points)
{
	v->expected = text("exactly from where interrupts go off");
	if (v->first <= 0) {
		complain(v, "no clean boundary: %zu of %zu", v->duplicates, v->tried);
		return;
	}
	only_from(v, path, points, v->first);
	if (path->steps[v->first].interrupts || !path->steps[v->first - 1].interrupts)
		complain(v, "the first duplicate is at %s, where interrupts do not go off",
			 symbols_place(path->steps[v->first].pc));
}

void verdict_reach(struct verdict *v, const struct section *s, const struct path *path,
		   struct points *points)
{
	*v = (struct verdict){ .first = -1, .last_check = path_last_check(path),
			       .checks = path_checks(path) };
	qsort(points->list, points->count, sizeof(*points->list), by_number);
	count(v, path, points);
	if (s->shape == BEHIND_THE_CHECK)
		behind_the_check(v, s, path, points);
	else if (s->shape == NOWHERE)
		nowhere(v, path, points);
	else
		from_interrupts_off(v, path, points);
	if (v->controls != v->tried)
		complain(v, "without a new generation, %zu of %zu points duplicate", v->controls,
			 v->tried);
	if (v->checks < s->checks)
		complain(v, "the generation is loaded %zu times; %u at least are expected", v->checks,
			 s->checks);
	if (!v->tried)
		complain(v, "no point was tried");
}
