/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdarg.h>
#include <stdio.h>

#include "report.h"

static const char *const verdicts[] = {
	[VERDICT_OK] = "ok",
	[VERDICT_NOTE] = "note",
	[VERDICT_UNKNOWN] = "note",
	[VERDICT_PROBLEM] = "problem",
};

void report_begin(struct report *r)
{
	r->j.out = stdout;
	r->problems = 0;
	r->incomplete = 0;
	if (!r->json)
		return;
	json_begin(&r->j, NULL, '{');
	json_begin(&r->j, "checks", '[');
}

static void print_end(const struct report *r)
{
	if (r->problems)
		printf("\nproblems: %u\n", r->problems);
	else
		printf("\nnothing to do%s\n",
		       r->incomplete ? " in what could be looked at" : "");
	if (r->incomplete)
		printf("incomplete: %u\n", r->incomplete);
}

void report_end(struct report *r)
{
	if (!r->json) {
		print_end(r);
		return;
	}
	json_end(&r->j, ']');
	json_number(&r->j, "problems", r->problems);
	json_number(&r->j, "incomplete", r->incomplete);
	json_end(&r->j, '}');
	putchar('\n');
}

static void finding(struct report *r, enum verdict verdict, const char *check,
		    const char *advice, const char *format, va_list ap)
{
	char found[512];

	vsnprintf(found, sizeof(found), format, ap);
	r->problems += verdict == VERDICT_PROBLEM;
	r->incomplete += verdict == VERDICT_UNKNOWN;
	if (!r->json) {
		printf("%-8s %-11s %s\n", verdicts[verdict], check, found);
		if (advice)
			printf("%-20s what to do: %s\n", "", advice);
		return;
	}
	json_begin(&r->j, NULL, '{');
	json_string(&r->j, "check", check);
	json_string(&r->j, "verdict", verdicts[verdict]);
	json_bool(&r->j, "complete", verdict != VERDICT_UNKNOWN);
	json_string(&r->j, "found", found);
	if (advice)
		json_string(&r->j, "advice", advice);
	else
		json_null(&r->j, "advice");
}

void finding_begin(struct report *r, enum verdict verdict, const char *check,
		   const char *advice, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	finding(r, verdict, check, advice, format, ap);
	va_end(ap);
}

void finding_end(struct report *r)
{
	if (r->json)
		json_end(&r->j, '}');
}

void report(struct report *r, enum verdict verdict, const char *check,
	    const char *advice, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	finding(r, verdict, check, advice, format, ap);
	va_end(ap);
	finding_end(r);
}
