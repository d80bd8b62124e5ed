/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "disk.h"
#include "image.h"
#include "storage.h"
#include "switch.h"

/* --- attach --- */

static gboolean disk_image_is_free(struct storage *s, const char *image, const char *spec,
				   GError **error)
{
	JsonObjectIter at;
	JsonNode *node;

	json_object_iter_init(&at, layers_list(&s->layers, "disks"));
	while (json_object_iter_next(&at, NULL, &node)) {
		JsonObject *disk = json_node_get_object(node);

		if (g_strcmp0(layers_string(disk, "image"), image) != 0)
			continue;
		return vmfork_fail(error, VMFORK_REFUSED, "machine %s has %s: to run another on "
				   "the same data snapshot and fork that one, or copy the image",
				   layers_string(disk, "owner"), spec);
	}
	return TRUE;
}

/* The record of the image: one file has one, however often it was named. */
static const char *disk_image(struct storage *s, const char *spec, GError **error)
{
	g_autoptr(JsonObject) layer = image_parse(spec, error);
	const char *file, *known;
	JsonObject *old;

	if (!layer)
		return NULL;
	file = layers_string(layer, "file");
	known = file ? layers_of_file(&s->layers, file) : NULL;
	if (!known)
		return layers_add(&s->layers, "layers", g_steal_pointer(&layer));
	old = layers_layer(&s->layers, known);
	if (json_object_has_member(old, "own")) {
		vmfork_fail(error, VMFORK_REFUSED, "%s is a layer of a disk of vmfork: fork its "
			    "snapshot instead", spec);
		return NULL;
	}
	if (strcmp(layers_string(old, "format"), layers_string(layer, "format")) != 0) {
		vmfork_fail(error, VMFORK_REFUSED, "%s is in use as %s", spec,
			    layers_string(old, "format"));
		return NULL;
	}
	return image_verify(old, error) ? known : NULL;
}

static const char *disk_new(struct storage *s, const char *owner, guint index,
			    const char *layer, const char *how)
{
	JsonObject *disk = image_object("owner", owner, "layer", layer, "how", how, NULL);

	json_object_set_int_member(disk, "index", index);
	return layers_add(&s->layers, "disks", disk);
}

/*
 * How long QEMU repeats requests.  qemu-storage-daemon (up to 10.2 at least) closes the
 * connection of a client whose read fails, and QEMU, told to connect again, would repeat
 * such a read for ever: the guest would hang, and never see the error.  Errors are likely
 * where the image is on a server elsewhere, so there QEMU gives up at once.
 */
static gint64 disk_patience(JsonObject *bottom)
{
	return layers_string(bottom, "uri") ? 0 : STORAGE_RECONNECT;
}

/* For the caller's own record.  Only disk_blockdev() and disk_chardev() look at
 * more than "id" when it comes back. */
static JsonObject *disk_describe(struct storage *s, const char *id)
{
	JsonObject *disk = layers_get(&s->layers, "disks", id), *bottom;
	const char *layer = layers_string(disk, "layer");
	g_autoptr(GPtrArray) chain = layers_chain(&s->layers, layer);
	JsonObject *ret = image_object("id", id, "export", id, "layer", layer, "format", "qcow2",
				       "how", layers_string(disk, "how"), NULL);

	bottom = layers_layer(&s->layers, chain->pdata[chain->len - 1]);
	json_object_set_string_member(ret, "image", layers_string(bottom, "file") ?:
				      layers_string(bottom, "uri"));
	json_object_set_int_member(ret, "reconnect", disk_patience(bottom));
	json_object_set_int_member(ret, "index", json_object_get_int_member(disk, "index"));
	return ret;
}

/* alone: no other disk may be made of that image. */
static const char *disk_create(struct storage *s, const char *owner, guint index,
			       const char *spec, const char *how, gboolean alone, GError **error)
{
	const char *image = disk_image(s, spec, error), *layer, *id;

	if (!image || (alone && !disk_image_is_free(s, image, spec, error)))
		return NULL;
	layer = switch_layer(s, image, error);
	if (!layer)
		return NULL;
	id = disk_new(s, owner, index, layer, how);
	if (alone)
		json_object_set_string_member(layers_get(&s->layers, "disks", id), "image",
					      image);
	return layers_save(&s->layers, error) ? id : NULL;
}

static void disk_drop(struct storage *s, const char *id)
{
	g_autoptr(GError) error = NULL;

	json_object_remove_member(layers_list(&s->layers, "disks"), id);
	if (!layers_save(&s->layers, &error) || !storage_collect(s, &error))
		vmfork_warn("%s", error->message);
}

static gboolean disk_attach_by(const char *how, gboolean alone, struct store *store,
			       const char *owner, guint index, const char *spec,
			       JsonObject **disk, GError **error)
{
	struct storage s;
	const char *id;

	if (!storage_open(&s, store, STORAGE_START, error))
		return FALSE;
	*disk = NULL;
	id = disk_create(&s, owner, index, spec, how, alone, error);
	if (id && storage_raise(&s, id, error))
		*disk = disk_describe(&s, id);
	else if (id)
		disk_drop(&s, id);
	storage_close(&s);
	return *disk != NULL;
}

gboolean disk_attach(struct store *store, const char *owner, guint index, const char *spec,
		     JsonObject **disk, GError **error)
{
	return disk_attach_by("nbd", TRUE, store, owner, index, spec, disk, error);
}

gboolean disk_load(struct store *store, const char *owner, guint index, const char *spec,
		   JsonObject **disk, GError **error)
{
	return disk_attach_by("nbd", FALSE, store, owner, index, spec, disk, error);
}

gboolean disk_attach_vhost(struct store *store, const char *owner, guint index,
			   const char *spec, JsonObject **disk, GError **error)
{
	return disk_attach_by("vhost-user-blk", TRUE, store, owner, index, spec, disk, error);
}

/* --- snapshot --- */

static gboolean disk_is_vhost(JsonObject *disk)
{
	return g_strcmp0(layers_string(disk, "how"), "vhost-user-blk") == 0;
}

/* The daemon writes what a guest reads into its memory, and no userfaultfd sees that. */
static gboolean disk_refuse_vhost(JsonArray *disks, GError **error)
{
	for (guint i = 0; i < json_array_get_length(disks); i++) {
		JsonObject *disk = json_array_get_object_element(disks, i);

		if (disk_is_vhost(disk))
			return vmfork_fail(error, VMFORK_REFUSED, "disk%u (%s) is a vhost-user "
					   "disk, which writes the machine's memory unseen: for "
					   "snapshots run the machine with --disk IMAGE, not "
					   "vhost:IMAGE", i, layers_string(disk, "image"));
	}
	return TRUE;
}

gboolean disk_prepare(struct store *store, JsonArray *disks, const char *snap, GError **error)
{
	struct storage s;
	gboolean ok;

	if (json_array_get_length(disks) == 0)
		return TRUE;
	if (!disk_refuse_vhost(disks, error) ||
	    !storage_open(&s, store, STORAGE_START, error))
		return FALSE;
	ok = switch_begin(&s, disks, snap, error);
	storage_close(&s);
	return ok;
}

gboolean disk_freeze(struct store *store, JsonArray *disks, const char *snap, GError **error)
{
	struct storage s;
	gboolean ok;

	if (json_array_get_length(disks) == 0)
		return TRUE;
	if (!storage_open(&s, store, STORAGE_QUICK, error))
		return FALSE;
	if (!layers_get(&s.layers, "pending", snap))
		ok = vmfork_fail(error, VMFORK_MISSING, "the disks of %s were not prepared",
				 snap);
	else
		ok = switch_apply(&s, snap, error);
	storage_close(&s);
	return ok;
}

gboolean disk_keep(struct store *store, JsonArray *disks, const char *snap, GError **error)
{
	struct storage s;
	gboolean ok;

	if (json_array_get_length(disks) == 0)
		return TRUE;
	if (!storage_open(&s, store, STORAGE_LOOK, error))
		return FALSE;
	ok = json_object_has_member(layers_list(&s.layers, "snapshots"), snap) ||
	     vmfork_fail(error, VMFORK_MISSING, "the disks of %s were not frozen", snap);
	storage_close(&s);
	return ok;
}

void disk_abandon(struct store *store, JsonArray *disks, const char *snap)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = TRUE;
	struct storage s;

	if (json_array_get_length(disks) == 0)
		return;
	if (!storage_open(&s, store, STORAGE_LOOK, &error)) {
		vmfork_warn("%s", error->message);
		return;
	}
	if (layers_get(&s.layers, "pending", snap))
		ok = switch_undo(&s, snap, &error);
	else if (json_object_has_member(layers_list(&s.layers, "snapshots"), snap)) {
		json_object_remove_member(layers_list(&s.layers, "snapshots"), snap);
		ok = layers_save(&s.layers, &error) && storage_collect(&s, &error);
	}
	if (!ok)
		vmfork_warn("%s", error->message);
	storage_close(&s);
}

/* --- clone --- */

static gboolean disk_clone_layers(struct storage *s, JsonArray *frozen, const char *owner,
				  GPtrArray *ids, GError **error)
{
	const char *layer;

	for (guint i = 0; i < json_array_get_length(frozen); i++) {
		layer = switch_layer(s, json_array_get_string_element(frozen, i), error);
		if (!layer)
			return FALSE;
		g_ptr_array_add(ids, g_strdup(disk_new(s, owner, i, layer, "nbd")));
	}
	return layers_save(&s->layers, error);
}

static gboolean disk_verify(struct storage *s, JsonArray *frozen, GError **error)
{
	for (guint i = 0; i < json_array_get_length(frozen); i++) {
		g_autoptr(GPtrArray) chain = layers_chain(&s->layers,
					json_array_get_string_element(frozen, i));

		for (guint j = 0; j < chain->len; j++)
			if (!image_verify(layers_layer(&s->layers, chain->pdata[j]), error))
				return FALSE;
	}
	return TRUE;
}

static gboolean disk_raise_all(struct storage *s, GPtrArray *ids, JsonArray *ret,
			       GError **error)
{
	for (guint i = 0; i < ids->len; i++) {
		if (!storage_raise(s, ids->pdata[i], error))
			return FALSE;
		json_array_add_object_element(ret, disk_describe(s, ids->pdata[i]));
	}
	return TRUE;
}

static gboolean disk_clone_all(struct storage *s, const char *snap, const char *owner,
			       JsonArray *ret, GError **error)
{
	JsonNode *node = json_object_get_member(layers_list(&s->layers, "snapshots"), snap);
	g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);

	if (!node)
		return TRUE;
	if (disk_verify(s, json_node_get_array(node), error) &&
	    disk_clone_layers(s, json_node_get_array(node), owner, ids, error) &&
	    disk_raise_all(s, ids, ret, error))
		return TRUE;
	for (guint i = 0; i < ids->len; i++)
		disk_drop(s, ids->pdata[i]);
	return FALSE;
}

/* A snapshot without disks is none that we know of. */
gboolean disk_clone(struct store *store, const char *snap, const char *owner,
		    JsonArray **disks, GError **error)
{
	JsonArray *ret = json_array_new();
	struct storage s;
	gboolean ok;

	*disks = NULL;
	ok = storage_open(&s, store, STORAGE_LOOK, error);
	if (ok) {
		ok = disk_clone_all(&s, snap, owner, ret, error);
		storage_close(&s);
	}
	if (ok)
		*disks = ret;
	else
		json_array_unref(ret);
	return ok;
}

/* --- release --- */

static void disk_forget(struct storage *s, const char *owner)
{
	JsonObject *disks = layers_list(&s->layers, "disks");
	g_autoptr(GList) ids = json_object_get_members(disks);

	for (GList *at = ids; at; at = at->next)
		if (g_strcmp0(layers_string(json_object_get_object_member(disks, at->data),
					    "owner"), owner) == 0)
			json_object_remove_member(disks, at->data);
	if (json_object_has_member(layers_list(&s->layers, "snapshots"), owner))
		json_object_remove_member(layers_list(&s->layers, "snapshots"), owner);
}

/* Only what is recorded as gone is deleted, so the record comes first. */
gboolean disk_release(struct store *store, const char *owner, GError **error)
{
	struct storage s;
	gboolean ok;

	if (!storage_open(&s, store, STORAGE_LOOK, error))
		return FALSE;
	disk_forget(&s, owner);
	ok = layers_save(&s.layers, error) && storage_collect(&s, error);
	storage_close(&s);
	return ok;
}

gboolean disk_collect(struct store *store, GError **error)
{
	struct storage s;
	gboolean ok;

	if (!storage_open(&s, store, STORAGE_LOOK, error))
		return FALSE;
	ok = storage_collect(&s, error);
	storage_close(&s);
	return ok;
}

/* --- what QEMU is told --- */

static char *disk_node(JsonObject *disk)
{
	return g_strdup_printf("disk%d", (int)json_object_get_int_member(disk, "index"));
}

char *disk_blockdev(struct store *store, JsonObject *disk)
{
	g_autofree char *path = store_path(store, "storage", "nbd.sock", NULL);
	g_autofree char *name = disk_node(disk);
	g_autoptr(JsonObject) options = NULL;
	g_autoptr(JsonNode) node = NULL;

	if (disk_is_vhost(disk))
		return NULL;
	options = image_object("driver", "nbd", "node-name", name, "export",
			       layers_string(disk, "export"), "discard", "unmap", NULL);
	json_object_set_object_member(options, "server",
				      image_object("type", "unix", "path", path, NULL));
	json_object_set_int_member(options, "reconnect-delay",
				   json_object_get_int_member(disk, "reconnect"));
	node = json_node_init_object(json_node_alloc(), options);
	return json_to_string(node, FALSE);
}

char *disk_chardev(struct store *store, JsonObject *disk)
{
	g_autofree char *file = g_strconcat(layers_string(disk, "export"), ".sock", NULL);
	g_autofree char *path = store_path(store, "storage", file, NULL);
	g_autofree char *name = disk_node(disk);
	g_auto(GStrv) parts = g_strsplit(path, ",", -1);
	g_autofree char *quoted = g_strjoinv(",,", parts);

	if (!disk_is_vhost(disk))
		return NULL;
	return g_strdup_printf("socket,id=%s,path=%s,reconnect=1", name, quoted);
}
