/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Are the duplicates exactly where they must be? */
#ifndef VERDICT_H
#define VERDICT_H

#include "points.h"

#define COMPLAINTS	8

struct verdict {
	size_t tried, kinds[KINDS], controls;
	size_t bounded;		/* duplicates that the section's bound counts */
	size_t checks;
	long last_check;
	long first;		/* duplicate, or -1 */
	char *expected;
	char *complaints[COMPLAINTS];
	size_t complaint_count;
};

void verdict_reach(struct verdict *v, const struct section *s, const struct path *path,
		   struct points *points);

#endif
