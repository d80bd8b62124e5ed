/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "image.h"
#include "process.h"
#include "switch.h"

const char *switch_layer(struct storage *s, const char *backing, GError **error)
{
	JsonObject *below = layers_layer(&s->layers, backing);
	JsonObject *layer = image_object("format", "qcow2", "backing", backing, NULL);
	gint64 size = json_object_get_int_member(below, "virtual");
	const char *id = layers_add(&s->layers, "layers", layer);
	g_autofree char *name = g_strconcat(id, ".qcow2", NULL);
	g_autofree char *path = store_path(s->layers.store, "images", name, NULL);

	json_object_set_string_member(layer, "file", path);
	json_object_set_boolean_member(layer, "own", TRUE);
	json_object_set_int_member(layer, "virtual", size);
	if (image_create(path, size, error))
		return id;
	json_object_remove_member(layers_list(&s->layers, "layers"), id);
	return NULL;
}

static JsonObject *switch_disks(struct storage *s, const char *snap)
{
	JsonObject *pending = layers_get(&s->layers, "pending", snap);

	return pending ? json_object_get_object_member(pending, "disks") : NULL;
}

static char *switch_path(struct storage *s, const char *snap)
{
	g_autofree char *name = g_strconcat(snap, ".switch", NULL);

	return store_path(s->layers.store, "images", name, NULL);
}

static gboolean switch_sent(struct storage *s, const char *snap)
{
	g_autofree char *path = switch_path(s, snap);

	return access(path, F_OK) == 0;
}

static gboolean switch_save(struct storage *s, const char *snap, GError **error)
{
	g_autofree char *path = switch_path(s, snap);

	json_object_remove_member(layers_list(&s->layers, "pending"), snap);
	if (!layers_save(&s->layers, error))
		return FALSE;
	unlink(path);
	return TRUE;
}

/* --- before the pause --- */

static gboolean switch_disk(struct storage *s, JsonObject *disks, JsonObject *disk,
			    GError **error)
{
	const char *id = layers_string(disk, "id"), *layer;
	JsonObject *record = layers_get(&s->layers, "disks", id);

	if (!record)
		return vmfork_fail(error, VMFORK_MISSING, "there is no disk %s any more",
				   id ?: "without a name");
	layer = switch_layer(s, layers_string(record, "layer"), error);
	if (!layer)
		return FALSE;
	json_object_set_string_member(disks, id, layer);
	return TRUE;
}

static gboolean switch_record(struct storage *s, JsonArray *disks, const char *snap,
			      GError **error)
{
	JsonObject *pending = json_object_new(), *layers = json_object_new();

	json_object_set_object_member(pending, "process", process_record(getpid()));
	json_object_set_object_member(pending, "disks", layers);
	json_object_set_object_member(layers_list(&s->layers, "pending"), snap, pending);
	for (guint i = 0; i < json_array_get_length(disks); i++)
		if (!switch_disk(s, layers, json_array_get_object_element(disks, i), error))
			return FALSE;
	return layers_save(&s->layers, error);
}

static gboolean switch_tell(struct storage *s, const char *snap, GError **error)
{
	JsonObjectIter at;
	JsonNode *node;

	json_object_iter_init(&at, switch_disks(s, snap));
	while (json_object_iter_next(&at, NULL, &node))
		if (!storage_add(s, json_node_get_string(node), error))
			return FALSE;
	return TRUE;
}

static gboolean switch_take_back(struct storage *s, const char *snap, GError **error)
{
	return switch_save(s, snap, error) && storage_collect(s, error);
}

gboolean switch_begin(struct storage *s, JsonArray *disks, const char *snap, GError **error)
{
	if (json_object_has_member(layers_list(&s->layers, "snapshots"), snap) ||
	    json_object_has_member(layers_list(&s->layers, "pending"), snap))
		return vmfork_fail(error, VMFORK_REFUSED, "there are disks of a snapshot %s "
				   "already: choose another name, or vmfork rm %s", snap, snap);
	if (switch_record(s, disks, snap, error) && switch_tell(s, snap, error))
		return TRUE;
	switch_take_back(s, snap, NULL);
	return FALSE;
}

/* --- in the pause --- */

static JsonObject *switch_action(const char *node, const char *overlay)
{
	JsonObject *action = image_object("type", "blockdev-snapshot", NULL);

	json_object_set_object_member(action, "data", image_object("node", node, "overlay",
								   overlay, NULL));
	return action;
}

static JsonObject *switch_transaction(struct storage *s, const char *snap)
{
	JsonObject *transaction = json_object_new();
	JsonArray *actions = json_array_new();
	JsonObjectIter at;
	JsonNode *node;
	const char *id;

	json_object_iter_init(&at, switch_disks(s, snap));
	while (json_object_iter_next(&at, &id, &node))
		json_array_add_object_element(actions, switch_action(
			layers_string(layers_get(&s->layers, "disks", id), "layer"),
			json_node_get_string(node)));
	json_object_set_array_member(transaction, "actions", actions);
	return transaction;
}

gboolean switch_apply(struct storage *s, const char *snap, GError **error)
{
	g_autofree char *path = switch_path(s, snap);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return vmfork_fail_errno(error, "%s", path);
	close(fd);
	return qmp_do(s->qmp, "transaction", switch_transaction(s, snap), error);
}

/* --- after it --- */

/* Its permissions and its mark say that it changes no more. */
static gboolean switch_freeze(struct storage *s, const char *id, GError **error)
{
	JsonObject *layer = layers_layer(&s->layers, id), *mark;
	const char *path = layers_string(layer, "file");

	if (chmod(path, 0444) < 0)
		return vmfork_fail_errno(error, "%s", path);
	mark = image_mark(path, error);
	if (!mark)
		return FALSE;
	json_object_set_object_member(layer, "mark", mark);
	return TRUE;
}

gboolean switch_finish(struct storage *s, const char *snap, GError **error)
{
	JsonArray *frozen = json_array_new();
	JsonObjectIter at;
	JsonNode *node;
	const char *id;

	json_object_iter_init(&at, switch_disks(s, snap));
	while (json_object_iter_next(&at, &id, &node)) {
		JsonObject *disk = layers_get(&s->layers, "disks", id);
		const char *old = layers_string(disk, "layer");

		if (!disk)
			continue;
		if (!switch_freeze(s, old, error)) {
			json_array_unref(frozen);
			return FALSE;
		}
		json_array_add_string_element(frozen, old);
		json_object_set_string_member(disk, "layer", json_node_get_string(node));
	}
	json_object_set_array_member(layers_list(&s->layers, "snapshots"), snap, frozen);
	return switch_save(s, snap, error);
}

/* All of its disks were switched, or none: one tells. */
static gboolean switch_happened(struct storage *s, const char *snap)
{
	g_autofree char *top = NULL;
	JsonObjectIter at;
	JsonNode *node;
	const char *id;

	if (s->fresh)
		return switch_sent(s, snap);
	json_object_iter_init(&at, switch_disks(s, snap));
	if (!json_object_iter_next(&at, &id, &node))
		return FALSE;
	top = storage_top(s, id);
	return g_strcmp0(top, json_node_get_string(node)) == 0;
}

/* Once the machine writes to the new layers they stay. */
gboolean switch_undo(struct storage *s, const char *snap, GError **error)
{
	if (!switch_disks(s, snap))
		return TRUE;
	if (!s->qmp || !switch_happened(s, snap))
		return switch_take_back(s, snap, error);
	if (!switch_finish(s, snap, error))
		return FALSE;
	json_object_remove_member(layers_list(&s->layers, "snapshots"), snap);
	return layers_save(&s->layers, error) && storage_collect(s, error);
}

static gboolean switch_is_dead(struct storage *s, const char *snap)
{
	JsonObject *pending = layers_get(&s->layers, "pending", snap);

	return !process_alive(json_object_get_object_member(pending, "process"));
}

static gboolean switch_settle_one(struct storage *s, const char *snap, GError **error)
{
	if (switch_happened(s, snap))
		return switch_finish(s, snap, error);
	return !switch_is_dead(s, snap) || switch_take_back(s, snap, error);
}

gboolean switch_settle(struct storage *s, GError **error)
{
	g_autoptr(GList) snaps = json_object_get_members(layers_list(&s->layers, "pending"));

	for (GList *at = snaps; at; at = at->next) {
		g_autofree char *snap = g_strdup(at->data);

		if (!switch_settle_one(s, snap, error))
			return FALSE;
	}
	return TRUE;
}
