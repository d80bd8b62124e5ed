/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What disk.h has that takes long.  The record is not locked meanwhile. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "disk.h"
#include "image.h"
#include "job.h"
#include "storage.h"

/* --- copy --- */

static JsonObject *disk_frozen(struct store *store, const char *snap, guint index,
			       GError **error)
{
	JsonObject *layer = NULL;
	struct storage s;
	JsonArray *array;

	if (!storage_open(&s, store, STORAGE_LOOK, error))
		return NULL;
	array = json_object_has_member(layers_list(&s.layers, "snapshots"), snap) ?
		json_object_get_array_member(layers_list(&s.layers, "snapshots"), snap) : NULL;
	if (array && index < json_array_get_length(array))
		layer = layers_layer(&s.layers, json_array_get_string_element(array, index));
	if (layer)
		json_object_ref(layer);
	else
		vmfork_fail(error, VMFORK_MISSING, "snapshot %s has no disk %u", snap, index);
	storage_close(&s);
	return layer;
}

static gboolean disk_copy_to(struct store *store, JsonObject *layer, const char *path,
			     struct progress *progress, GError **error)
{
	JsonObject *target = image_object("driver", "qcow2", "node-name", JOB_NAME, NULL);
	JsonObject *backup = image_object("device", layers_string(layer, "id"), "target",
					  JOB_NAME, "sync", "full", NULL);
	struct job job;
	gboolean ok;

	json_object_set_object_member(target, "file", image_object("driver", "file", "filename",
								   path, NULL));
	if (!job_open(&job, store, error))
		return FALSE;
	ok = qmp_do(job.qmp, "blockdev-add", target, error) &&
	     job_run(&job, "blockdev-backup", backup, progress, error);
	job_close(&job);
	return ok;
}

gboolean disk_copy(struct store *store, const char *snap, guint index, const char *path,
		   struct progress *progress, GError **error)
{
	g_autoptr(JsonObject) layer = disk_frozen(store, snap, index, error);
	g_autofree char *whole = g_canonicalize_filename(path, NULL);

	if (!layer || !image_create(whole, json_object_get_int_member(layer, "virtual"), error))
		return FALSE;
	if (disk_copy_to(store, layer, whole, progress, error) && image_sync(whole, error))
		return TRUE;
	unlink(whole);
	return FALSE;
}

/* --- shorter chains --- */

static gboolean disk_work(struct store *store, const char *command, JsonObject *arguments,
			  struct progress *progress, GError **error)
{
	struct job job;
	gboolean ok;

	if (!job_open(&job, store, error))
		return FALSE;
	ok = job_run(&job, command, arguments, progress, error);
	job_close(&job);
	return ok;
}

static JsonObject *disk_find(struct storage *s, const char *owner, guint index)
{
	JsonObjectIter at;
	JsonNode *node;

	json_object_iter_init(&at, layers_list(&s->layers, "disks"));
	while (json_object_iter_next(&at, NULL, &node)) {
		JsonObject *disk = json_node_get_object(node);

		if (g_strcmp0(layers_string(disk, "owner"), owner) == 0 &&
		    json_object_get_int_member(disk, "index") == index)
			return disk;
	}
	return NULL;
}

/* The names of the layers under a disk; copies, since the record is read anew later. */
static GStrv disk_chain(struct store *store, const char *owner, guint index, GError **error)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new(), chain = NULL;
	struct storage s;
	JsonObject *disk;

	if (!storage_open(&s, store, STORAGE_LOOK, error))
		return NULL;
	disk = disk_find(&s, owner, index);
	chain = layers_chain(&s.layers, layers_string(disk, "layer"));
	for (guint i = 0; i < chain->len; i++)
		g_ptr_array_add(names, g_strdup(chain->pdata[i]));
	storage_close(&s);
	g_ptr_array_add(names, NULL);
	if (!disk)
		vmfork_fail(error, VMFORK_MISSING, "%s has no disk %u", owner, index);
	return disk ? (GStrv)g_ptr_array_steal(names, NULL) : NULL;
}

/* Until this is recorded the daemon has a shorter chain than the record, with the same
 * content.  A layer that is gone meanwhile took its backing with it. */
static gboolean disk_rebase(struct store *store, const char *layer, const char *backing,
			    GError **error)
{
	JsonObject *record;
	struct storage s;
	gboolean ok;

	if (!storage_open(&s, store, STORAGE_LOOK, error))
		return FALSE;
	record = layers_layer(&s.layers, layer);
	if (record)
		json_object_set_string_member(record, "backing", backing);
	ok = layers_save(&s.layers, error) && storage_collect(&s, error);
	storage_close(&s);
	return ok;
}

gboolean disk_stream(struct store *store, const char *owner, guint index,
		     struct progress *progress, GError **error)
{
	g_auto(GStrv) chain = disk_chain(store, owner, index, error);
	guint n = chain ? g_strv_length(chain) : 0;

	if (n <= 2)
		return chain != NULL;
	return disk_work(store, "block-stream", image_object("device", chain[0], "base-node",
			 chain[n - 1], NULL), progress, error) &&
	       disk_rebase(store, chain[0], chain[n - 1], error);
}

gboolean disk_trim(struct store *store, const char *owner, struct progress *progress,
		   GError **error)
{
	for (guint index = 0;; index++) {
		g_autoptr(GError) why = NULL;
		g_auto(GStrv) chain = disk_chain(store, owner, index, &why);

		if (g_error_matches(why, VMFORK_ERROR, VMFORK_MISSING))
			return TRUE;
		if (why) {
			g_propagate_error(error, g_steal_pointer(&why));
			return FALSE;
		}
		if (g_strv_length(chain) > DISK_CHAIN &&
		    !disk_stream(store, owner, index, progress, error))
			return FALSE;
	}
}

/* --- commit --- */

static gboolean disk_mergeable(struct storage *s, const char *id)
{
	JsonObject *layer = layers_layer(&s->layers, id);

	return layer && json_object_has_member(layer, "own") && layers_users(&s->layers, id) == 1;
}

/* The layer that goes away: it and the one below are needed by nothing but the chain. */
static guint disk_merge_at(struct storage *s, GStrv chain)
{
	for (guint i = 1; chain[i] && chain[i + 1]; i++)
		if (disk_mergeable(s, chain[i]) && disk_mergeable(s, chain[i + 1]))
			return i;
	return 0;
}

/* From now on its content changes, so a mark of it would be wrong. */
static gboolean disk_thaw(struct storage *s, const char *id, GError **error)
{
	JsonObject *layer = layers_layer(&s->layers, id);

	if (chmod(layers_string(layer, "file"), 0600) < 0)
		return vmfork_fail_errno(error, "%s", layers_string(layer, "file"));
	if (json_object_has_member(layer, "mark"))
		json_object_remove_member(layer, "mark");
	return layers_save(&s->layers, error);
}

static gboolean disk_commit_begin(struct store *store, GStrv chain, guint *at, GError **error)
{
	gboolean ok = TRUE;
	struct storage s;

	if (!storage_open(&s, store, STORAGE_LOOK, error))
		return FALSE;
	*at = disk_merge_at(&s, chain);
	if (*at)
		ok = disk_thaw(&s, chain[*at + 1], error);
	storage_close(&s);
	return ok;
}

static gboolean disk_refreeze(struct storage *s, const char *id, GError **error)
{
	JsonObject *layer = layers_layer(&s->layers, id), *mark;

	if (!layer)
		return TRUE;
	if (chmod(layers_string(layer, "file"), 0444) < 0)
		return vmfork_fail_errno(error, "%s", layers_string(layer, "file"));
	mark = image_mark(layers_string(layer, "file"), error);
	if (mark)
		json_object_set_object_member(layer, "mark", mark);
	return mark != NULL;
}

static gboolean disk_commit_end(struct store *store, const char *below, GError **error)
{
	struct storage s;
	gboolean ok;

	if (!storage_open(&s, store, STORAGE_LOOK, error))
		return FALSE;
	ok = disk_refreeze(&s, below, error) && layers_save(&s.layers, error);
	storage_close(&s);
	return ok;
}

gboolean disk_commit(struct store *store, const char *owner, guint index,
		     struct progress *progress, GError **error)
{
	g_auto(GStrv) chain = disk_chain(store, owner, index, error);
	guint at;

	if (!chain || !disk_commit_begin(store, chain, &at, error))
		return FALSE;
	if (at == 0)
		return TRUE;
	return disk_work(store, "block-commit", image_object("device", chain[0], "top-node",
			 chain[at], "base-node", chain[at + 1], NULL), progress, error) &&
	       disk_rebase(store, chain[at - 1], chain[at + 1], error) &&
	       disk_commit_end(store, chain[at + 1], error);
}
