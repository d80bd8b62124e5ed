/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What every part of the command vmfork shares: errors that carry the exit status, the
 * options that every verb has, and the steps at which a test makes the command die.
 */
#ifndef VMFORK_H
#define VMFORK_H

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#define VMFORK_VERSION "1.0.0"

/* The codes of VMFORK_ERROR are the exit statuses of the command. */
enum vmfork_error {
	VMFORK_FAILED = 1,
	VMFORK_USAGE = 2,
	VMFORK_MISSING = 3,
	VMFORK_REFUSED = 4,
	VMFORK_CANCELLED = 130,
};

#define VMFORK_ERROR vmfork_error_quark()
GQuark vmfork_error_quark(void);

/* Sets the error and returns FALSE, so that a function can end with it. */
gboolean vmfork_fail(GError **error, enum vmfork_error code, const char *format, ...)
	G_GNUC_PRINTF(3, 4);
gboolean vmfork_fail_errno(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
int vmfork_exit_status(const GError *error);

/* Says on standard error what went wrong where the command goes on all the same. */
void vmfork_warn(const char *format, ...) G_GNUC_PRINTF(1, 2);

struct store;

struct vmfork {
	struct store *store;
	char *dir;
	gboolean json, quiet, progress;
	JsonObject *result;	/* what --json prints; a verb fills it */
};

/* argv[0] is the verb.  rest: what follows "--", or NULL. */
typedef gboolean vmfork_verb(struct vmfork *v, int argc, char **argv, char **rest,
			     GError **error);

vmfork_verb verb_run, verb_snapshot, verb_fork, verb_rollback, verb_save, verb_load;
vmfork_verb verb_rm, verb_ls, verb_status, verb_doctor, verb_guard, verb_steps;

/* Parses the options of a verb; at least and at most that many arguments stay in argv. */
gboolean vmfork_parse(struct vmfork *v, const GOptionEntry *entries, int *argc, char ***argv,
		      int least, int most, GError **error);

#endif
