/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* TAP for the tests of the command's parts. */
#ifndef TEST_TAP_H
#define TEST_TAP_H

#include <stdio.h>
#include <string.h>
#include "vmfork.h"

static unsigned tap_count, tap_failed;

#define ok(what, name) tap_ok((what) ? 1 : 0, name, __LINE__)

static inline void tap_ok(int what, const char *name, int line)
{
	printf("%sok %u - %s\n", what ? "" : "not ", ++tap_count, name);
	if (!what)
		printf("# line %d\n", line);
	tap_failed += !what;
	fflush(stdout);
}

/* It failed with that status, and the message has that in it. */
static inline gboolean tap_refused(gboolean done, GError **error, int status, const char *text)
{
	gboolean right = !done && *error && vmfork_exit_status(*error) == status &&
			 strstr((*error)->message, text);

	if (!right)
		printf("# %s\n", *error ? (*error)->message : "no error");
	g_clear_error(error);
	return right;
}

static inline int tap_end(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed ? 1 : 0;
}

#endif
