/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the doctor finds, for people or as JSON, as it finds it. */
#ifndef VMGEN_REPORT_H
#define VMGEN_REPORT_H

#include "json.h"

enum verdict {
	VERDICT_OK,
	VERDICT_NOTE,		/* worth knowing; nothing must be done */
	VERDICT_UNKNOWN,	/* a note, too: something could not be looked at */
	VERDICT_PROBLEM		/* something is unprotected */
};

struct report {
	bool json;
	struct json j;
	unsigned int problems;
	unsigned int incomplete;	/* findings that did not see all */
};

void report_begin(struct report *r);
void report_end(struct report *r);

/* @advice: what to do, or NULL */
__attribute__((__format__(__printf__, 5, 6)))
void report(struct report *r, enum verdict verdict, const char *check,
	    const char *advice, const char *format, ...);

/* The same in two halves, with something in between. */
__attribute__((__format__(__printf__, 5, 6)))
void finding_begin(struct report *r, enum verdict verdict, const char *check,
		   const char *advice, const char *format, ...);
void finding_end(struct report *r);

#endif /* VMGEN_REPORT_H */
