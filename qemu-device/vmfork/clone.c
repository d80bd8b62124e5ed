/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "adopt.h"
#include "cancel.h"
#include "clone.h"
#include "launch.h"
#include "output.h"
#include "recover.h"

struct machine *clone_new(struct store *store, const char *name, GError **error)
{
	struct machine *m = machine_new(store, name, error);
	g_autofree char *now = output_now(), *instance = g_uuid_string_random();

	if (!m)
		return NULL;
	json_object_set_string_member(m->record, "created", now);
	json_object_set_string_member(m->record, "instance", instance);
	json_object_set_object_member(m->record, "run", launch_plan(m));
	recover_begin(m, "run");
	return m;
}

void clone_source(JsonObject *run, struct snap *s)
{
	g_autofree char *ram = snap_ram(s), *state = snap_path(s, "state");

	json_object_set_string_member(run, "ram", ram);
	json_object_set_string_member(run, "state", state);
	json_object_set_string_member(run, "from", s->name);
}

gboolean clone_ready(struct machine *m, struct qmp *qmp, gboolean run, GError **error)
{
	gint64 generation;

	if (!machine_enter(m, machine_run(m, "run"), error) ||
	    (run && !machine_cont(qmp, error)))
		return FALSE;
	generation = machine_generation(qmp);
	if (generation >= 0)
		json_object_set_int_member(m->record, "generation", generation);
	return recover_done(m, error);
}

void clone_discard(struct machine *m)
{
	g_autoptr(GError) error = NULL;

	cancel_shield();
	if (!machine_end(m, machine_run(m, "run"), &error))
		vmfork_warn("%s: \"vmfork rm %s\" when that is mended", error->message, m->name);
	adopt_release(m, machine_run(m, "run"));
	if (!error && !machine_remove(m, &error))
		vmfork_warn("%s: \"vmfork rm %s\" when that is mended", error->message, m->name);
	cancel_expose();
}

static void clone_member(JsonObject *report, JsonObject *from, const char *name)
{
	JsonNode *node = json_object_get_member(from, name);

	if (node)
		json_object_set_member(report, name, json_node_copy(node));
}

JsonObject *clone_report(struct machine *m)
{
	JsonObject *report = json_object_new(), *run = machine_run(m, "run");
	g_autofree char *qmp = g_build_filename(m->dir, "qmp.sock", NULL);
	g_autofree char *dir = machine_path(m, run, "");

	json_object_set_string_member(report, "machine", m->name);
	clone_member(report, m->record, "instance");
	clone_member(report, m->record, "generation");
	clone_member(report, run, "guid");
	clone_member(report, run, "from");
	if (json_object_has_member(run, "process"))
		clone_member(report, json_object_get_object_member(run, "process"), "pid");
	json_object_set_string_member(report, "qmp", qmp);
	json_object_set_string_member(report, "dir", dir);
	return report;
}
