/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork ls */
#include "collect.h"
#include "look.h"
#include "output.h"

static JsonObject *ls_unreadable(const char *kind, const char *name)
{
	JsonObject *row = json_object_new();

	json_object_set_string_member(row, kind, name);
	json_object_set_string_member(row, "state", "unreadable");
	return row;
}

static JsonArray *ls_machines(struct store *store)
{
	g_autoptr(GPtrArray) names = store_list(store, "machines");
	JsonArray *rows = json_array_new();

	for (guint i = 0; i < names->len; i++) {
		g_autoptr(machine_ref) m = machine_open(store, names->pdata[i], NULL);

		json_array_add_object_element(rows, m ? look_machine(m) :
					      ls_unreadable("machine", names->pdata[i]));
	}
	return rows;
}

static JsonArray *ls_snapshots(struct store *store)
{
	g_autoptr(GPtrArray) names = store_list(store, "snapshots");
	JsonArray *rows = json_array_new();

	for (guint i = 0; i < names->len; i++) {
		g_autoptr(snap_ref) s = snap_open(store, names->pdata[i], NULL);

		json_array_add_object_element(rows, s ? look_snapshot(s) :
					      ls_unreadable("snapshot", names->pdata[i]));
	}
	return rows;
}

gboolean verb_ls(struct vmfork *v, int argc, char **argv, char **rest, GError **error)
{
	static const char *const of_machines[] = { "machine", "state", "memory", "from", "view",
						   "created", NULL };
	static const char *const of_snapshots[] = { "snapshot", "state", "machine", "how", "base",
						    "created", NULL };
	JsonArray *machines, *snapshots;

	(void)rest;
	if (!vmfork_parse(v, NULL, &argc, &argv, 0, 0, error))
		return FALSE;
	collect(v->store);
	machines = ls_machines(v->store);
	snapshots = ls_snapshots(v->store);
	json_object_set_array_member(v->result, "machines", machines);
	json_object_set_array_member(v->result, "snapshots", snapshots);
	if (v->json)
		return TRUE;
	output_table(machines, of_machines);
	if (json_array_get_length(snapshots) > 0) {
		output_say(v, "%s", "");
		output_table(snapshots, of_snapshots);
	}
	return TRUE;
}
