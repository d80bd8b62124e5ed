/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork: snapshots of running virtual machines; forks and rollbacks of them. */
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include "cancel.h"
#include "output.h"
#include "store.h"
#include "vmfork.h"

static const struct {
	const char *name, *arguments, *summary;
	vmfork_verb *run;
} verbs[] = {
	{ "run", "NAME -- QEMU OPTIONS", "start a machine", verb_run },
	{ "snapshot", "NAME [SNAP]", "freeze a view of a running machine", verb_snapshot },
	{ "fork", "SNAP", "start machines from a snapshot", verb_fork },
	{ "rollback", "NAME SNAP", "let a machine go on from a snapshot", verb_rollback },
	{ "save", "SNAP DIR", "write a snapshot to a folder", verb_save },
	{ "load", "DIR NAME", "start a machine from such a folder", verb_load },
	{ "rm", "NAME|SNAP...", "end machines, remove snapshots", verb_rm },
	{ "ls", "", "list machines and snapshots", verb_ls },
	{ "status", "[NAME|SNAP]", "tell how they are", verb_status },
	{ "doctor", "", "tell what works on this host, and what to do", verb_doctor },
	{ "guard", "NAME", NULL, verb_guard },
#ifdef VMFORK_TEST
	{ "steps", NULL, NULL, verb_steps },
#endif
};

static GOptionEntry *vmfork_globals(struct vmfork *v)
{
	const GOptionEntry entries[] = {
		{ "dir", 0, 0, G_OPTION_ARG_FILENAME, &v->dir,
		  "Where machines and snapshots are kept", "DIR" },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &v->json, "Print one JSON document", NULL },
		{ "quiet", 0, 0, G_OPTION_ARG_NONE, &v->quiet, "Print errors only", NULL },
		{ "progress", 0, 0, G_OPTION_ARG_NONE, &v->progress,
		  "Show progress where standard error is no terminal, too", NULL },
		{ NULL }
	};

	return g_memdup2(entries, sizeof(entries));
}

static void vmfork_list(GString *text)
{
	g_string_append(text, "Verbs:\n");
	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
		g_autofree char *left = NULL;

		if (!verbs[i].summary)
			continue;
		left = g_strdup_printf("%s %s", verbs[i].name, verbs[i].arguments);
		g_string_append_printf(text, "  %-26s %s\n", left, verbs[i].summary);
	}
	g_string_append(text, "\nExit status: 0 done; 1 failed; 2 wrong usage; 3 there is no such "
			"machine or snapshot;\n4 refused: in use, or not possible here; "
			"130 cancelled");
}

static const char *vmfork_arguments(const char *verb)
{
	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
		if (strcmp(verbs[i].name, verb) == 0)
			return verbs[i].arguments;
	return NULL;
}

/* What GLib says about an option that is wrong becomes wrong usage. */
gboolean vmfork_parse(struct vmfork *v, const GOptionEntry *entries, int *argc, char ***argv,
		      int least, int most, GError **error)
{
	g_autofree char *text = g_strdup_printf("%s - vmfork %s", vmfork_arguments((*argv)[0]),
						(*argv)[0]);
	g_autoptr(GOptionContext) context = g_option_context_new(text);
	g_autofree GOptionEntry *globals = vmfork_globals(v);

	if (entries)
		g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_add_main_entries(context, globals, NULL);
	if (!g_option_context_parse(context, argc, argv, error))
		return FALSE;
	if (*argc - 1 < least || *argc - 1 > most)
		return vmfork_fail(error, VMFORK_USAGE, "usage: vmfork %s %s (\"vmfork %s "
				   "--help\" says more)", (*argv)[0],
				   vmfork_arguments((*argv)[0]), (*argv)[0]);
	v->store = store_open(v->dir, error);
	return v->store != NULL;
}

static gboolean vmfork_dispatch(struct vmfork *v, int argc, char **argv, char **rest,
				GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++)
		if (strcmp(verbs[i].name, argv[0]) == 0)
			return verbs[i].run(v, argc, argv, rest, error);
	return vmfork_fail(error, VMFORK_USAGE, "there is no verb \"%s\": \"vmfork --help\" has "
			   "the list", argv[0]);
}

/* Options before the verb; those behind it are for vmfork_parse(). */
static gboolean vmfork_options(struct vmfork *v, int *argc, char ***argv, GError **error)
{
	gboolean version = FALSE;
	const GOptionEntry entries[] = {
		{ "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL },
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new("VERB ...");
	g_autoptr(GString) list = g_string_new(NULL);
	g_autofree GOptionEntry *globals = vmfork_globals(v);

	vmfork_list(list);
	g_option_context_set_description(context, list->str);
	g_option_context_add_main_entries(context, globals, NULL);
	g_option_context_add_main_entries(context, entries, NULL);
	g_option_context_set_strict_posix(context, TRUE);
	if (!g_option_context_parse(context, argc, argv, error))
		return FALSE;
	if (version) {
		puts("vmfork " VMFORK_VERSION);
		*argc = 1;
	} else if (*argc < 2) {
		return vmfork_fail(error, VMFORK_USAGE, "which verb? \"vmfork --help\" has the "
				   "list");
	}
	return TRUE;
}

/* What follows "--" is QEMU's, and no option of it may look like one of ours. */
static char **vmfork_split(int *argc, char **argv)
{
	for (int i = 1; i < *argc; i++)
		if (strcmp(argv[i], "--") == 0) {
			argv[i] = NULL;
			*argc = i;
			return argv + i + 1;
		}
	return NULL;
}

static void vmfork_report(struct vmfork *v, const GError *error, int status)
{
	if (error)
		vmfork_warn("%s", error->message);
	if (!v->json)
		return;
	if (error) {
		json_object_set_string_member(v->result, "error", error->message);
		json_object_set_int_member(v->result, "status", status);
	}
	output_json(v->result);
}

static gboolean vmfork_main(struct vmfork *v, int argc, char **argv, GError **error)
{
	char **rest = vmfork_split(&argc, argv);

	if (!vmfork_options(v, &argc, &argv, error))
		return FALSE;
	if (argc < 2)
		return TRUE;
	return vmfork_dispatch(v, argc - 1, argv + 1, rest, error);
}

int main(int argc, char **argv)
{
	struct vmfork v = { .result = json_object_new() };
	g_autoptr(GError) error = NULL;
	int status;

	setlocale(LC_ALL, "");
	cancel_start();
	if (!vmfork_main(&v, argc, argv, &error) && !error)
		vmfork_fail(&error, VMFORK_FAILED, "something failed, and nothing said what");
	status = vmfork_exit_status(error);
	vmfork_report(&v, error, status);
	json_object_unref(v.result);
	store_free(v.store);
	g_free(v.dir);
	return status;
}
