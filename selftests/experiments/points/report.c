/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdio.h>

#include "report.h"
#include "symbols.h"

/* Tried points in a row of one kind, from list[first] to list[last]. */
struct range {
	size_t first, last;
	enum kind kind;
};

/* Sets the range that begins at list[first]; false at the end. */
static bool next_range(const struct points *points, const struct path *path, size_t first,
		       struct range *r)
{
	if (first >= points->count)
		return false;
	r->first = r->last = first;
	r->kind = point_kind(&points->list[first], path);
	while (r->last + 1 < points->count &&
	       point_kind(&points->list[r->last + 1], path) == r->kind)
		r->last++;
	return true;
}

static size_t number(const struct points *points, size_t i)
{
	return points->list[i].number;
}

static const char *place(const struct path *path, size_t i)
{
	return symbols_place(path->steps[i].pc);
}

void report_text(const struct section *s, const struct path *path, const struct points *points,
		 const struct verdict *v)
{
	struct range r;

	printf("%s: %s\n", s->name, s->title);
	printf("  %zu points, %zu tried, %zu duplicate, %zu withhold; control: %zu of %zu\n",
	       path->count, v->tried, v->kinds[DUPLICATE], v->kinds[WITHHELD], v->controls, v->tried);
	if (v->last_check >= 0)
		printf("  the last of %zu loads in checks is instruction %ld, %s\n", v->checks, v->last_check,
		       place(path, (size_t)v->last_check));
	for (size_t i = 0; next_range(points, path, i, &r); i = r.last + 1)
		printf("  %-9s %6zu to %6zu  %s to %s\n", kind_name(r.kind),
		       number(points, r.first), number(points, r.last),
		       place(path, number(points, r.first)), place(path, number(points, r.last)));
	printf("  expected: %s: %s\n", v->expected, v->complaint_count ? "NOT SO" : "so it is");
	for (size_t i = 0; i < v->complaint_count; i++)
		printf("    %s\n", v->complaints[i]);
}

/* Nothing that is printed here has a character that JSON escapes. */
void report_json(const struct section *s, const struct path *path, const struct points *points,
		 const struct verdict *v)
{
	const char *comma = "";
	struct range r;

	printf("{\"section\":\"%s\",\"title\":\"%s\",\"points\":%zu,\"tried\":%zu,"
	       "\"duplicates\":%zu,\"withheld\":%zu,\"control_duplicates\":%zu,"
	       "\"expected\":\"%s\",\"as_expected\":%s,\"ranges\":[",
	       s->name, s->title, path->count, v->tried, v->kinds[DUPLICATE], v->kinds[WITHHELD], v->controls,
	       v->expected, v->complaint_count ? "false" : "true");
	for (size_t i = 0; next_range(points, path, i, &r); i = r.last + 1, comma = ",")
		printf("%s{\"clones\":\"%s\",\"first\":%zu,\"last\":%zu,\"tried\":%zu,"
		       "\"from\":\"%s\",\"to\":\"%s\"}", comma, kind_name(r.kind),
		       number(points, r.first), number(points, r.last), r.last - r.first + 1,
		       place(path, number(points, r.first)), place(path, number(points, r.last)));
	printf("],\"checks\":%zu,\"last_check\":", v->checks);
	if (v->last_check >= 0)
		printf("{\"number\":%ld,\"at\":\"%s\"}", v->last_check,
		       place(path, (size_t)v->last_check));
	else
		printf("null");
	printf(",\"complaints\":[");
	for (size_t i = 0; i < v->complaint_count; i++)
		printf("%s\"%s\"", i ? "," : "", v->complaints[i]);
	printf("]}\n");
}
