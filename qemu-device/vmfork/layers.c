/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "layers.h"
#include "lock.h"

static const char *const layers_lists[] = { "layers", "disks", "snapshots", "pending" };

static JsonObject *layers_empty(void)
{
	JsonObject *root = json_object_new();

	json_object_set_int_member(root, "version", 1);
	json_object_set_int_member(root, "next", 1);
	for (size_t i = 0; i < G_N_ELEMENTS(layers_lists); i++)
		json_object_set_object_member(root, layers_lists[i], json_object_new());
	return root;
}

static gboolean layers_is(JsonNode *node, GType type)
{
	return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

static gboolean layers_has(JsonObject *object, const char *member, GType type)
{
	return layers_is(json_object_get_member(object, member), type);
}

static gboolean layers_is_layer(JsonNode *node)
{
	JsonObject *layer = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;

	return layer && layers_has(layer, "id", G_TYPE_STRING) &&
	       layers_has(layer, "format", G_TYPE_STRING) &&
	       layers_has(layer, "virtual", G_TYPE_INT64) &&
	       (layers_has(layer, "file", G_TYPE_STRING) ||
		layers_has(layer, "uri", G_TYPE_STRING));
}

static gboolean layers_is_disk(JsonNode *node)
{
	JsonObject *disk = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;

	return disk && layers_has(disk, "id", G_TYPE_STRING) &&
	       layers_has(disk, "owner", G_TYPE_STRING) &&
	       layers_has(disk, "layer", G_TYPE_STRING) &&
	       layers_has(disk, "how", G_TYPE_STRING) &&
	       layers_has(disk, "index", G_TYPE_INT64);
}

static gboolean layers_is_name(JsonNode *node)
{
	return layers_is(node, G_TYPE_STRING);
}

static gboolean layers_is_snapshot(JsonNode *node)
{
	JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;

	for (guint i = 0; array && i < json_array_get_length(array); i++)
		if (!layers_is_name(json_array_get_element(array, i)))
			return FALSE;
	return array != NULL;
}

static gboolean layers_are(JsonObject *object, const char *list, gboolean (*is)(JsonNode *))
{
	JsonNode *node = json_object_get_member(object, list);
	JsonObjectIter at;

	if (!node || !JSON_NODE_HOLDS_OBJECT(node))
		return FALSE;
	json_object_iter_init(&at, json_node_get_object(node));
	while (json_object_iter_next(&at, NULL, &node))
		if (!is(node))
			return FALSE;
	return TRUE;
}

static gboolean layers_is_pending(JsonNode *node)
{
	JsonObject *pending = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
	JsonNode *process = pending ? json_object_get_member(pending, "process") : NULL;

	return process && JSON_NODE_HOLDS_OBJECT(process) &&
	       layers_are(pending, "disks", layers_is_name);
}

/* Nothing below asks again. */
static gboolean layers_whole(JsonObject *root)
{
	return json_object_get_int_member_with_default(root, "version", 0) == 1 &&
	       layers_has(root, "next", G_TYPE_INT64) &&
	       layers_are(root, "layers", layers_is_layer) &&
	       layers_are(root, "disks", layers_is_disk) &&
	       layers_are(root, "snapshots", layers_is_snapshot) &&
	       layers_are(root, "pending", layers_is_pending);
}

static gboolean layers_read(struct layers *layers, GError **error)
{
	g_autofree char *path = store_path(layers->store, "images", "layers.json", NULL);

	if (access(path, F_OK) < 0 && errno == ENOENT) {
		layers->root = layers_empty();
		return TRUE;
	}
	layers->root = store_read(path, error);
	if (!layers->root)
		return FALSE;
	if (layers_whole(layers->root))
		return TRUE;
	return vmfork_fail(error, VMFORK_FAILED, "%s is not what this version of vmfork "
			   "writes: use the version that wrote it", path);
}

static gboolean layers_folder(struct store *store, const char *name, GError **error)
{
	g_autofree char *path = store_path(store, name, NULL);

	if (g_mkdir_with_parents(path, 0700) == 0)
		return TRUE;
	return vmfork_fail_errno(error, "cannot make %s", path);
}

gboolean layers_open(struct layers *layers, struct store *store, GError **error)
{
	g_autofree char *lock = store_path(store, "storage", "lock", NULL);

	*layers = (struct layers){ .store = store, .lock = -1 };
	if (!layers_folder(store, "images", error) || !layers_folder(store, "storage", error))
		return FALSE;
	layers->lock = lock_take(lock, "the disks", LOCK_PATIENCE, error);
	if (layers->lock >= 0 && layers_read(layers, error))
		return TRUE;
	layers_close(layers);
	return FALSE;
}

void layers_close(struct layers *layers)
{
	g_clear_pointer(&layers->root, json_object_unref);
	if (layers->lock >= 0)
		close(layers->lock);
	layers->lock = -1;
}

gboolean layers_save(struct layers *layers, GError **error)
{
	g_autofree char *path = store_path(layers->store, "images", "layers.json", NULL);

	return store_write(path, layers->root, error);
}

JsonObject *layers_list(struct layers *layers, const char *list)
{
	return json_object_get_object_member(layers->root, list);
}

JsonObject *layers_get(struct layers *layers, const char *list, const char *id)
{
	JsonNode *node = id ? json_object_get_member(layers_list(layers, list), id) : NULL;

	return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonObject *layers_layer(struct layers *layers, const char *id)
{
	return layers_get(layers, "layers", id);
}

const char *layers_string(JsonObject *object, const char *member)
{
	return object ? json_object_get_string_member_with_default(object, member, NULL) : NULL;
}

const char *layers_add(struct layers *layers, const char *list, JsonObject *object)
{
	gint64 next = json_object_get_int_member(layers->root, "next");
	g_autofree char *id = g_strdup_printf("%c%" G_GINT64_FORMAT, list[0], next);

	json_object_set_int_member(layers->root, "next", next + 1);
	json_object_set_string_member(object, "id", id);
	json_object_set_object_member(layers_list(layers, list), id, object);
	return layers_string(object, "id");
}

static gboolean layers_same_file(const char *a, const struct stat *b)
{
	struct stat st;

	return a && stat(a, &st) == 0 && st.st_dev == b->st_dev && st.st_ino == b->st_ino;
}

const char *layers_of_file(struct layers *layers, const char *path)
{
	JsonObjectIter at;
	JsonNode *node;
	const char *id;
	struct stat st;

	if (stat(path, &st) < 0)
		return NULL;
	json_object_iter_init(&at, layers_list(layers, "layers"));
	while (json_object_iter_next(&at, &id, &node))
		if (layers_same_file(layers_string(json_node_get_object(node), "file"), &st))
			return id;
	return NULL;
}

GPtrArray *layers_chain(struct layers *layers, const char *id)
{
	guint most = json_object_get_size(layers_list(layers, "layers"));
	GPtrArray *chain = g_ptr_array_new();
	JsonObject *layer;

	while ((layer = layers_layer(layers, id)) && chain->len < most) {
		g_ptr_array_add(chain, (gpointer)layers_string(layer, "id"));
		id = layers_string(layer, "backing");
	}
	return chain;
}

static void layers_need(struct layers *layers, GHashTable *needed, const char *id)
{
	g_autoptr(GPtrArray) chain = layers_chain(layers, id);

	for (guint i = 0; i < chain->len; i++)
		g_hash_table_add(needed, g_strdup(chain->pdata[i]));
}

/* The layers that snapshots end at */
static void layers_frozen(struct layers *layers, GPtrArray *ret)
{
	JsonObjectIter at;
	JsonArray *array;
	JsonNode *node;

	json_object_iter_init(&at, layers_list(layers, "snapshots"));
	while (json_object_iter_next(&at, NULL, &node)) {
		array = json_node_get_array(node);
		for (guint i = 0; i < json_array_get_length(array); i++)
			g_ptr_array_add(ret, g_strdup(json_array_get_string_element(array, i)));
	}
}

static void layers_pending(struct layers *layers, GHashTable *ret)
{
	JsonObjectIter snaps, disks;
	JsonNode *snap, *node;

	json_object_iter_init(&snaps, layers_list(layers, "pending"));
	while (json_object_iter_next(&snaps, NULL, &snap)) {
		json_object_iter_init(&disks, json_object_get_object_member(
					      json_node_get_object(snap), "disks"));
		while (json_object_iter_next(&disks, NULL, &node))
			g_hash_table_add(ret, g_strdup(json_node_get_string(node)));
	}
}

GHashTable *layers_tops(struct layers *layers)
{
	GHashTable *tops = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	JsonObjectIter at;
	JsonNode *node;

	json_object_iter_init(&at, layers_list(layers, "disks"));
	while (json_object_iter_next(&at, NULL, &node))
		g_hash_table_add(tops, g_strdup(layers_string(json_node_get_object(node),
							      "layer")));
	layers_pending(layers, tops);
	return tops;
}

GHashTable *layers_needed(struct layers *layers)
{
	GHashTable *needed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GHashTable) tops = layers_tops(layers);
	g_autoptr(GPtrArray) frozen = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter at;
	gpointer id;

	g_hash_table_iter_init(&at, tops);
	while (g_hash_table_iter_next(&at, &id, NULL))
		layers_need(layers, needed, id);
	layers_frozen(layers, frozen);
	for (guint i = 0; i < frozen->len; i++)
		layers_need(layers, needed, frozen->pdata[i]);
	return needed;
}

static guint layers_count(struct layers *layers, const char *list, const char *member,
			  const char *id)
{
	JsonObjectIter at;
	JsonNode *node;
	guint n = 0;

	json_object_iter_init(&at, layers_list(layers, list));
	while (json_object_iter_next(&at, NULL, &node))
		n += g_strcmp0(layers_string(json_node_get_object(node), member), id) == 0;
	return n;
}

guint layers_users(struct layers *layers, const char *id)
{
	g_autoptr(GPtrArray) frozen = g_ptr_array_new_with_free_func(g_free);
	guint n = layers_count(layers, "layers", "backing", id) +
		  layers_count(layers, "disks", "layer", id);

	layers_frozen(layers, frozen);
	for (guint i = 0; i < frozen->len; i++)
		n += strcmp(frozen->pdata[i], id) == 0;
	return n;
}
