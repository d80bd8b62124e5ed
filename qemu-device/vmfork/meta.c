/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "args.h"
#include "meta.h"
#include "output.h"

/* What a machine is, whoever it is. */
static const char *const kind[] = {
	"memory", "cpus", "qemu", "qemu-version", "options", "devices", "generation-counter",
	"no-view",
};

static void meta_copy(JsonObject *to, const char *as, JsonObject *from, const char *name)
{
	JsonNode *node = json_object_get_member(from, name);

	json_object_set_member(to, as, node ? json_node_copy(node) :
			       json_node_init_null(json_node_alloc()));
}

static void meta_template(JsonObject *meta, JsonObject *record)
{
	JsonObject *template = json_object_new();

	for (size_t i = 0; i < G_N_ELEMENTS(kind); i++)
		if (json_object_has_member(record, kind[i]))
			meta_copy(template, kind[i], record, kind[i]);
	json_object_set_object_member(meta, "template", template);
	meta_copy(meta, "argv", record, "options");
	meta_copy(meta, "qemu", record, "qemu-version");
	meta_copy(meta, "instance", record, "instance");
}

static void meta_base(JsonObject *meta, struct take *t)
{
	if (!take_is(t, "process"))
		return;
	if (machine_string(t->run, "from"))
		meta_copy(meta, "base", t->run, "from");
	meta_copy(meta, "base-path", t->run, "ram");
}

static void meta_number(JsonObject *meta, const char *name, gint64 value)
{
	if (value >= 0)
		json_object_set_int_member(meta, name, value);
	else
		json_object_set_null_member(meta, name);
}

static void meta_disks(JsonObject *meta, JsonObject *run)
{
	if (machine_disks(run))
		meta_copy(meta, "disks", run, "disks");
	else
		json_object_set_array_member(meta, "disks", json_array_new());
}

JsonObject *meta_of(struct take *t)
{
	JsonObject *meta = json_object_new();
	g_autofree char *now = output_now();

	json_object_set_int_member(meta, "version", 1);
	json_object_set_string_member(meta, "snapshot", t->s->name);
	json_object_set_string_member(meta, "machine", t->m->name);
	json_object_set_string_member(meta, "created", now);
	json_object_set_string_member(meta, "how", t->how);
	meta_number(meta, "generation", t->generation);
	meta_number(meta, "pause-us", -1);
	meta_template(meta, t->m->record);
	meta_base(meta, t);
	meta_disks(meta, t->run);
	json_object_set_object_member(meta, "ram", take_describe(t));
	json_object_set_string_member(meta, "state", "state");
	json_object_set_string_member(meta, "notes", "notes");
	return meta;
}

void meta_inherit(JsonObject *record, JsonObject *meta)
{
	JsonObject *template = json_object_get_object_member(meta, "template");
	JsonObject *ram = json_object_get_object_member(meta, "ram");

	for (size_t i = 0; i < G_N_ELEMENTS(kind); i++)
		if (json_object_has_member(template, kind[i]))
			meta_copy(record, kind[i], template, kind[i]);
	if (json_array_get_length(json_object_get_array_member(ram, "blocks")) > 0)
		meta_copy(record, "blocks", ram, "blocks");
}

static gboolean meta_has(JsonObject *object, const char *name, JsonNodeType type)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && json_node_get_node_type(node) == type;
}

static gboolean meta_is_number(JsonObject *object, const char *name)
{
	return meta_has(object, name, JSON_NODE_VALUE) &&
	       json_node_get_value_type(json_object_get_member(object, name)) == G_TYPE_INT64 &&
	       json_object_get_int_member(object, name) > 0;
}

static gboolean meta_is_strings(JsonObject *object, const char *name)
{
	JsonArray *array;

	if (!meta_has(object, name, JSON_NODE_ARRAY))
		return FALSE;
	array = json_object_get_array_member(object, name);
	for (guint i = 0; i < json_array_get_length(array); i++)
		if (json_node_get_value_type(json_array_get_element(array, i)) != G_TYPE_STRING)
			return FALSE;
	return TRUE;
}

static gboolean meta_is_template(JsonObject *template)
{
	return meta_is_number(template, "memory") && meta_is_number(template, "cpus") &&
	       meta_has(template, "qemu", JSON_NODE_VALUE) &&
	       json_object_get_string_member(template, "qemu") &&
	       meta_is_strings(template, "options") && meta_is_strings(template, "devices");
}

static gboolean meta_is_whole(JsonObject *meta)
{
	return meta_has(meta, "template", JSON_NODE_OBJECT) &&
	       meta_is_template(json_object_get_object_member(meta, "template")) &&
	       meta_has(meta, "ram", JSON_NODE_OBJECT) &&
	       meta_is_number(json_object_get_object_member(meta, "ram"), "size") &&
	       meta_has(json_object_get_object_member(meta, "ram"), "blocks", JSON_NODE_ARRAY) &&
	       meta_has(meta, "disks", JSON_NODE_ARRAY);
}

gboolean meta_check(JsonObject *meta, const char *path, GError **error)
{
	gint64 version = json_object_get_int_member_with_default(meta, "version", 0);

	if (version != 1)
		return vmfork_fail(error, VMFORK_REFUSED, "%s has version %" G_GINT64_FORMAT
				   ", this vmfork knows version 1 only: use the vmfork that "
				   "wrote it", path, version);
	if (meta_is_whole(meta))
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "%s is damaged: it does not describe a machine",
			   path);
}
