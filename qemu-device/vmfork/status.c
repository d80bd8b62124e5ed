/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork status [NAME|SNAP] */
#include <stdio.h>
#include "look.h"
#include "output.h"

static void status_member(JsonObject *row G_GNUC_UNUSED, const char *name, JsonNode *node,
			  gpointer data G_GNUC_UNUSED)
{
	g_autofree char *text = NULL;

	if (JSON_NODE_HOLDS_NULL(node))
		return;
	text = json_node_get_value_type(node) == G_TYPE_STRING ?
	       g_strdup(json_node_get_string(node)) : json_to_string(node, FALSE);
	printf("%-12s %s\n", name, text);
}

static void status_add(struct vmfork *v, const char *kind, JsonObject *row)
{
	if (!v->json) {
		json_object_foreach_member(row, status_member, NULL);
		putchar('\n');
	}
	json_array_add_object_element(json_object_get_array_member(v->result, kind), row);
}

static gboolean status_of(struct vmfork *v, const char *name, GError **error)
{
	g_autoptr(GError) missing = NULL;
	g_autoptr(machine_ref) m = machine_open(v->store, name, &missing);
	g_autoptr(snap_ref) s = NULL;

	if (m) {
		status_add(v, "machines", look_closer_machine(m));
		return TRUE;
	}
	if (!g_error_matches(missing, VMFORK_ERROR, VMFORK_MISSING)) {
		g_propagate_error(error, g_steal_pointer(&missing));
		return FALSE;
	}
	s = snap_open(v->store, name, NULL);
	if (!s)
		return vmfork_fail(error, VMFORK_MISSING, "there is no machine or snapshot %s: "
				   "\"vmfork ls\" shows what there is", name);
	status_add(v, "snapshots", look_closer_snapshot(s));
	return TRUE;
}

static gboolean status_all(struct vmfork *v, const char *kind, GError **error)
{
	g_autoptr(GPtrArray) names = store_list(v->store, kind);

	for (guint i = 0; i < names->len; i++) {
		g_autoptr(GError) why = NULL;

		/* It may be gone by now. */
		if (!status_of(v, names->pdata[i], &why) &&
		    !g_error_matches(why, VMFORK_ERROR, VMFORK_MISSING)) {
			g_propagate_error(error, g_steal_pointer(&why));
			return FALSE;
		}
	}
	return TRUE;
}

gboolean verb_status(struct vmfork *v, int argc, char **argv, char **rest, GError **error)
{
	(void)rest;
	if (!vmfork_parse(v, NULL, &argc, &argv, 0, 1, error))
		return FALSE;
	json_object_set_array_member(v->result, "machines", json_array_new());
	json_object_set_array_member(v->result, "snapshots", json_array_new());
	if (argc > 1)
		return status_of(v, argv[1], error);
	return status_all(v, "machines", error) && status_all(v, "snapshots", error);
}
