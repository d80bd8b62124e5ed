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

static void count(struct verdict *v, const struct section *s, const struct path *path,
		  const struct points *points)
{
	const struct point *p;
	enum kind kind;

	for (p = points->list; p < points->list + points->count; p++) {
		kind = point_kind(p, path);
		v->tried++;
		v->kinds[kind]++;
		v->controls += !strcmp(p->control, path->plain);
		if (kind != DUPLICATE)
			continue;
		v->bounded += !s->system_call || !is_kernel(path->steps[p->number].pc);
		if (v->first < 0)
			v->first = (long)p->number;
	}
}

/* Points are fresh up to @from, and from there on all of them are of @kind. */
static void only_from(struct verdict *v, const struct path *path, const struct points *points,
		      long from, enum kind kind)
{
	enum kind is, expected;
	const struct point *p;

	for (p = points->list; p < points->list + points->count; p++) {
		is = point_kind(p, path);
		expected = (long)p->number >= from ? kind : FRESH;
		if (is != expected)
			complain(v, "point %zu, at %s, is %s, not %s", p->number,
				 symbols_place(path->steps[p->number].pc), kind_name(is),
				 kind_name(expected));
	}
}

/* Instructions, whether they are tried or not. */
static void share_behind(struct verdict *v, const struct section *s, const struct path *path)
{
	size_t behind = path->count - (size_t)(v->last_check + 1);

	if (behind * 100 < s->least_percent * path->count ||
	    behind * 100 > s->most_percent * path->count)
		complain(v, "behind the check are %zu of %zu, not %u to %u %%", behind,
			 path->count, s->least_percent, s->most_percent);
}

static void behind_the_check(struct verdict *v, const struct section *s, const struct path *path,
			     const struct points *points)
{
	v->expected = s->most_percent ?
		text("exactly behind the only check, %u to %u %%", s->least_percent,
		     s->most_percent) :
		text("exactly behind the last check, at most %u%s", s->most,
		     s->system_call ? " in user space" : "");
	only_from(v, path, points, v->last_check + 1, DUPLICATE);
	if (s->most_percent)
		share_behind(v, s, path);
	else if (v->bounded > s->most)
		complain(v, "%zu duplicates are behind the last check%s", v->bounded,
			 s->system_call ? " in user space" : "");
}

static void nowhere(struct verdict *v, const struct path *path, const struct points *points)
{
	v->expected = text("nowhere, and no receiver takes a value from behind the last check");
	only_from(v, path, points, v->last_check + 1, WITHHELD);
}

static void everywhere(struct verdict *v, const struct path *path, const struct points *points)
{
	v->expected = text("everywhere");
	only_from(v, path, points, 0, DUPLICATE);
}

static void from_interrupts_off(struct verdict *v, const struct section *s,
				const struct path *path, const struct points *points)
{
	const struct step *first;

	v->expected = text("exactly from where interrupts go off in %s", s->function);
	if (v->first <= 0) {
		complain(v, "no clean boundary: %zu of %zu", v->kinds[DUPLICATE], v->tried);
		return;
	}
	first = &path->steps[v->first];
	only_from(v, path, points, v->first, DUPLICATE);
	if (first->interrupts || !first[-1].interrupts ||
	    strcmp(symbols_function(first->pc), s->function))
		complain(v, "the first duplicate is at %s, where interrupts do not go off",
			 symbols_place(first->pc));
}

static void judge(struct verdict *v, const struct section *s, const struct path *path,
		  const struct points *points)
{
	switch (s->shape) {
	case BEHIND_THE_CHECK:
		behind_the_check(v, s, path, points);
		break;
	case NOWHERE:
		nowhere(v, path, points);
		break;
	case EVERYWHERE:
		everywhere(v, path, points);
		break;
	case FROM_INTERRUPTS_OFF:
		from_interrupts_off(v, s, path, points);
		break;
	}
}

void verdict_reach(struct verdict *v, const struct section *s, const struct path *path,
		   struct points *points)
{
	*v = (struct verdict){ .first = -1, .last_check = path_last_check(path),
			       .checks = path_checks(path) };
	qsort(points->list, points->count, sizeof(*points->list), by_number);
	count(v, s, path, points);
	judge(v, s, path, points);
	if (v->controls != v->tried)
		complain(v, "without a new generation, %zu of %zu points duplicate", v->controls,
			 v->tried);
	if (v->checks < s->checks)
		complain(v, "there are %zu loads in checks; %u at least are expected", v->checks,
			 s->checks);
	if (!v->tried)
		complain(v, "no point was tried");
}
