/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef REPORT_H
#define REPORT_H

#include "verdict.h"

void report_text(const struct section *s, const struct path *path, const struct points *points,
		 const struct verdict *v);
void report_json(const struct section *s, const struct path *path, const struct points *points,
		 const struct verdict *v);

#endif
