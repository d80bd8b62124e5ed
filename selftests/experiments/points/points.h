/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The points of a path at which the parent was cloned, and what the clones handed out. */
#ifndef POINTS_H
#define POINTS_H

#include "path.h"
#include "section.h"

/* What a clone hands out that nobody takes. */
#define NOT_TAKEN	"-"

struct point {
	size_t number;
	char *siblings[2];	/* clones with GUIDs of their own */
	char *control;		/* one with the parent's */
};

/* What the two siblings hand out. */
enum kind {
	FRESH,			/* each what no other machine does */
	DUPLICATE,		/* both what the parent does */
	WITHHELD,		/* both what nobody takes */
	MIXED,			/* anything else, which must not be */
	KINDS
};

struct points {
	struct point *list;
	size_t count;
};

/* Every @stride-th of them, and all near where the verdict may change. */
struct plan {
	const struct section *section;
	const struct path *path;
	size_t stride;
	double deadline;	/* as now() tells it, 0: none */
};

bool plan_is_over(const struct plan *plan);
bool points_wanted(const struct plan *plan, size_t number);
/* Adds to @file, which may have some already.  False if the time was over before. */
bool points_try(struct points *p, const struct plan *plan, struct vm *parent, const char *file);
enum kind point_kind(const struct point *p, const struct path *path);
const char *kind_name(enum kind kind);

#endif
