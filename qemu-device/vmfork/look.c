/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "clone.h"
#include "lock.h"
#include "look.h"
#include "output.h"
#include "process.h"
#include "recover.h"
#include "view.h"

/* Long enough for a busy host, short enough to wait for what will not answer. */
#define LOOK_PATIENCE (2 * G_USEC_PER_SEC)

static void look_string(JsonObject *row, const char *name, const char *value)
{
	if (value)
		json_object_set_string_member(row, name, value);
	else
		json_object_set_null_member(row, name);
}

static gboolean look_is_locked(struct machine *m)
{
	g_autofree char *lock = g_build_filename(m->dir, "lock", NULL);

	return lock_is_held(lock);
}

static const char *look_machine_state(struct machine *m)
{
	if (recover_is_half_made(m))
		return look_is_locked(m) ? "starting" : "half-made";
	if (recover_doing(m) && !look_is_locked(m))
		return "interrupted";
	return machine_alive(m) ? "running" : "ended";
}

static void look_size(JsonObject *row, JsonObject *from, const char *name)
{
	g_autofree char *size = NULL;

	if (json_object_has_member(from, name))
		size = output_size(json_object_get_int_member(from, name));
	look_string(row, name, size);
}

JsonObject *look_machine(struct machine *m)
{
	JsonObject *row = json_object_new();

	json_object_set_string_member(row, "machine", m->name);
	json_object_set_string_member(row, "state", look_machine_state(m));
	look_size(row, m->record, "memory");
	look_string(row, "from", machine_string(machine_run(m, "run"), "from"));
	look_string(row, "view", machine_string(m->record, "view"));
	look_string(row, "created", machine_string(m->record, "created"));
	return row;
}

static gboolean look_is_taken(struct snap *s)
{
	const char *name = machine_string(s->intent, "machine");
	g_autoptr(machine_ref) m = name ? machine_open(s->store, name, NULL) : NULL;

	return m && look_is_locked(m);
}

static const char *look_snapshot_state(struct snap *s)
{
	g_autofree char *removed = snap_path(s, "meta.removed");

	if (g_file_test(removed, G_FILE_TEST_EXISTS))
		return "removing";
	if (!s->meta)
		return look_is_taken(s) ? "being taken" : "half-made";
	return "whole";
}

JsonObject *look_snapshot(struct snap *s)
{
	JsonObject *row = json_object_new(), *from = s->meta ?: s->intent;

	json_object_set_string_member(row, "snapshot", s->name);
	json_object_set_string_member(row, "state", look_snapshot_state(s));
	look_string(row, "machine", machine_string(from, "machine"));
	look_string(row, "how", machine_string(s->meta, "how"));
	look_string(row, "base", machine_string(s->meta, "base"));
	look_string(row, "created", machine_string(from, "created"));
	return row;
}

/* --- closer ------------------------------------------------------------------------- */

/* A view's server that was stopped lets the machine wait at its next write. */
static void look_server(JsonObject *row, const char *dir)
{
	g_autoptr(GPtrArray) processes = view_processes(dir);
	gint64 stopped = view_stopped(dir);
	g_autofree char *hint = NULL;
	JsonObject *status = NULL;

	if (processes->len == 0)
		return;
	if (!stopped)
		status = view_ask(dir, "status", NULL, LOOK_PATIENCE, NULL);
	if (status) {
		json_object_remove_member(status, "ok");
		json_object_set_object_member(row, "server", status);
		return;
	}
	hint = stopped ? g_strdup_printf("for its server: \"kill -CONT %" G_GINT64_FORMAT "\" "
					 "lets it go on", stopped) :
	       g_strdup("for its server, which does not answer");
	json_object_set_string_member(row, "waits", hint);
}

static void look_users(JsonObject *row, struct snap *s)
{
	g_autoptr(GPtrArray) users = snap_users(s->store, s->name);
	JsonArray *array = json_array_new();

	for (guint i = 0; i < users->len; i++)
		json_array_add_string_element(array, users->pdata[i]);
	json_object_set_array_member(row, "needed-by", array);
}

static const char *look_warning(JsonObject *row, struct snap *s)
{
	JsonObject *server = json_object_has_member(row, "server") ?
			     json_object_get_object_member(row, "server") : NULL;
	const char *how = machine_string(s->meta, "how");

	if (json_object_has_member(row, "waits"))
		return "the server of the view was stopped: the machine waits for it";
	if (server && json_object_get_boolean_member_with_default(server, "full", FALSE))
		return "the budget is used up: the machine is stopped; \"vmfork save\" what you "
		       "need, then \"vmfork rm\" the snapshot";
	if (g_strcmp0(machine_string(server, "state"), "dropped") == 0)
		return "the view was given up: \"vmfork rm\" the snapshot";
	if (how && !server && g_strcmp0(how, "copy") != 0)
		return "the server of the view is gone, and the memory with it: \"vmfork rm\" "
		       "the snapshot";
	return NULL;
}

JsonObject *look_closer_snapshot(struct snap *s)
{
	JsonObject *row = look_snapshot(s);
	g_autofree char *ram = s->meta ? snap_ram(s) : NULL;

	if (s->meta && json_object_has_member(s->meta, "pause-us"))
		json_object_set_member(row, "pause-us", json_node_copy(
				       json_object_get_member(s->meta, "pause-us")));
	look_string(row, "ram", ram);
	look_users(row, s);
	look_server(row, s->dir);
	look_string(row, "warning", look_warning(row, s));
	return row;
}

static void look_qemu(JsonObject *row, struct machine *m)
{
	g_autofree char *path = g_build_filename(m->dir, "qmp.sock", NULL), *status = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(qmp_client) qmp = NULL;

	if (!machine_alive(m))
		return;
	qmp = qmp_open_within(path, LOOK_PATIENCE, &error);
	status = qmp ? machine_status(qmp, &error) : NULL;
	look_string(row, "qemu-state", status);
	if (!status)
		look_string(row, "warning", error->message);
}

/* The machine's own view: it is this one that the machine may wait for. */
static void look_view(JsonObject *row, struct machine *m)
{
	const char *view = machine_string(m->record, "view"), *warning;
	g_autoptr(snap_ref) s = view ? snap_open(m->store, view, NULL) : NULL;
	g_autoptr(JsonObject) closer = s ? look_closer_snapshot(s) : NULL;

	warning = machine_string(closer, "warning");
	if (warning)
		json_object_set_string_member(row, "warning", warning);
}

JsonObject *look_closer_machine(struct machine *m)
{
	JsonObject *row = look_machine(m);
	g_autoptr(JsonObject) report = NULL;
	GList *members;

	if (!machine_run(m, "run"))
		return row;
	report = clone_report(m);
	members = json_object_get_members(report);
	for (GList *at = members; at; at = at->next)
		json_object_set_member(row, at->data, json_node_copy(
				       json_object_get_member(report, at->data)));
	g_list_free(members);
	look_string(row, "warning", NULL);
	look_qemu(row, m);
	look_view(row, m);
	return row;
}
