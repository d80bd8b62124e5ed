/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork rm [--force] NAME|SNAP... */
#include <string.h>
#include "adopt.h"
#include "cancel.h"
#include "collect.h"
#include "output.h"
#include "recover.h"
#include "saved.h"
#include "steps.h"
#include "view.h"

#define RM_DEPTH 64

struct rm {
	struct vmfork *v;
	gboolean force;
	int depth;
};

static gboolean rm_any(struct rm *r, const char *name, GError **error);

/* --- machines ------------------------------------------------------------------------ */

static void rm_release(struct machine *m, const char *which)
{
	if (machine_run(m, which))
		adopt_release(m, machine_run(m, which));
}

/* The memory stays with the view, which must not expect faults any more. */
static void rm_detach(struct machine *m)
{
	const char *view = machine_string(m->record, "view");
	g_autofree char *dir = view ? store_path(m->store, "snapshots", view, NULL) : NULL;

	if (dir)
		view_do(dir, "detach", NULL, VIEW_PATIENCE, NULL);
}

static gboolean rm_end(struct machine *m, GError **error)
{
	static const char *const runs[] = { "run", "next" };

	for (size_t i = 0; i < G_N_ELEMENTS(runs); i++)
		if (machine_run(m, runs[i]) && !machine_end(m, machine_run(m, runs[i]), error))
			return FALSE;
	step(STEP_RM_ENDED);
	rm_detach(m);
	rm_release(m, "run");
	rm_release(m, "next");
	rm_release(m, "old");
	return TRUE;
}

static gboolean rm_machine(struct rm *r, const char *name, GError **error)
{
	g_autoptr(machine_ref) m = machine_open(r->v->store, name, error);

	if (!m || !machine_take(m, error) || !machine_recover(m, error))
		return FALSE;
	step(STEP_RM_MARKED);
	return rm_end(m, error) && machine_remove(m, error);
}

/* --- snapshots ------------------------------------------------------------------------- */

/* "machine web-1" or "snapshot base" */
static gboolean rm_users(struct rm *r, const char *name, GError **error)
{
	g_autoptr(GPtrArray) users = snap_users(r->v->store, name);
	const char *user;

	for (guint i = 0; i < users->len; i++) {
		user = strchr(users->pdata[i], ' ') + 1;
		if (!rm_any(r, user, error))
			return FALSE;
	}
	return TRUE;
}

static void rm_sweep(struct snap *s)
{
	JsonArray *saves = s->intent && json_object_has_member(s->intent, "saves") ?
			   json_object_get_array_member(s->intent, "saves") : NULL;

	for (guint i = 0; saves && i < json_array_get_length(saves); i++)
		saved_sweep(json_array_get_string_element(saves, i));
}

static void rm_forget(struct machine *m, GError **error)
{
	json_object_remove_member(m->record, "view");
	machine_note(m, error);
}

/* Nobody can have begun to read what is half made. */
static gboolean rm_is_forced(struct rm *r, struct snap *s)
{
	return r->force || !s->meta;
}

static gboolean rm_mark(struct rm *r, struct snap *s, GError **error)
{
	gboolean done;

	if (!store_lock(r->v->store, error))
		return FALSE;
	done = snap_mark(s, error);
	store_unlock(r->v->store);
	if (done)
		step(STEP_RM_MARKED);
	return done;
}

/* The end of its budget has stopped the machine: nothing else lets that go on. */
static gboolean rm_is_full(struct snap *s)
{
	g_autoptr(JsonObject) status = NULL;

	if (view_stopped(s->dir))
		return FALSE;
	status = view_ask(s->dir, "status", NULL, VIEW_PATIENCE, NULL);
	return status && json_object_get_boolean_member_with_default(status, "full", FALSE);
}

static void rm_run_on(struct machine *m)
{
	g_autoptr(qmp_client) qmp = NULL;
	g_autofree char *status = NULL;
	g_autoptr(GError) error = NULL;

	if (!machine_alive(m))
		return;
	qmp = machine_connect(m, machine_run(m, "run"), &error);
	status = qmp ? machine_status(qmp, &error) : NULL;
	if (g_strcmp0(status, "paused") == 0)
		machine_cont(qmp, &error);
	if (error)
		vmfork_warn("%s does not run on: %s", m->name, error->message);
}

/* Its machine is locked meanwhile, where there is one: a snapshot that is half made may be
 * one that is being made. */
static gboolean rm_discard(struct rm *r, struct snap *s, struct machine *m, GError **error)
{
	gboolean full = m && rm_is_full(s), live;

	live = m && g_strcmp0(machine_string(m->record, "view"), s->name) == 0;
	if (!rm_mark(r, s, error))
		return FALSE;
	rm_sweep(s);
	if (!snap_discard(s, rm_is_forced(r, s), error)) {
		/* Somebody reads it: it stays whole. */
		if (g_error_matches(*error, VMFORK_ERROR, VMFORK_REFUSED))
			snap_unmark(s);
		return FALSE;
	}
	if (live)
		rm_forget(m, NULL);
	if (live && full)
		rm_run_on(m);
	return TRUE;
}

static struct machine *rm_machine_of(struct rm *r, struct snap *s)
{
	const char *name = machine_string(s->intent, "machine");

	return name ? machine_open(r->v->store, name, NULL) : NULL;
}

static gboolean rm_snapshot(struct rm *r, const char *name, GError **error)
{
	g_autoptr(snap_ref) s = NULL;
	g_autoptr(machine_ref) m = NULL;

	if (r->force && !rm_users(r, name, error))
		return FALSE;
	s = snap_open(r->v->store, name, error);
	m = s ? rm_machine_of(r, s) : NULL;
	if (!s || (m && (!machine_take(m, error) || !machine_recover(m, error))))
		return FALSE;
	/* What its command began was just taken back. */
	if (!g_file_test(s->dir, G_FILE_TEST_EXISTS))
		return TRUE;
	return rm_discard(r, s, m, error);
}

/* --- the verb ------------------------------------------------------------------------------ */

static gboolean rm_is(struct rm *r, const char *kind, const char *name)
{
	g_autofree char *path = store_path(r->v->store, kind, name, NULL);

	return g_file_test(path, G_FILE_TEST_IS_DIR);
}

/* By --force: it lived off another that was named. */
static gboolean rm_is_gone(struct rm *r, const char *name)
{
	JsonArray *removed = json_object_get_array_member(r->v->result, "removed");

	for (guint i = 0; i < json_array_get_length(removed); i++)
		if (strcmp(json_array_get_string_element(removed, i), name) == 0)
			return TRUE;
	return FALSE;
}

static gboolean rm_one(struct rm *r, const char *name, GError **error)
{
	if (rm_is(r, "machines", name))
		return rm_machine(r, name, error);
	if (rm_is(r, "snapshots", name))
		return rm_snapshot(r, name, error);
	return vmfork_fail(error, VMFORK_MISSING, "there is no machine or snapshot %s: \"vmfork "
			   "ls\" shows what there is", name);
}

static gboolean rm_any(struct rm *r, const char *name, GError **error)
{
	gboolean done;

	if (!store_name(name, error))
		return FALSE;
	if (rm_is_gone(r, name))
		return TRUE;
	if (++r->depth > RM_DEPTH)
		return vmfork_fail(error, VMFORK_FAILED, "snapshots need each other in a circle");
	done = rm_one(r, name, error);
	r->depth--;
	if (!done)
		return FALSE;
	json_array_add_string_element(json_object_get_array_member(r->v->result, "removed"),
				      name);
	output_say(r->v, "%s: removed", name);
	return TRUE;
}

gboolean verb_rm(struct vmfork *v, int argc, char **argv, char **rest, GError **error)
{
	struct rm r = { .v = v };
	const GOptionEntry entries[] = {
		{ "force", 0, 0, G_OPTION_ARG_NONE, &r.force,
		  "Machines and views that live off a snapshot as well", NULL },
		{ NULL }
	};

	(void)rest;
	if (!vmfork_parse(v, entries, &argc, &argv, 1, 10000, error))
		return FALSE;
	json_object_set_array_member(v->result, "removed", json_array_new());
	for (int i = 1; i < argc; i++)
		if (!cancel_check(error) || !rm_any(&r, argv[i], error))
			return FALSE;
	collect(v->store);
	return TRUE;
}
