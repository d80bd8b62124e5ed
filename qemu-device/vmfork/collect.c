/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "collect.h"
#include "disk.h"
#include "layers.h"
#include "lock.h"
#include "machine.h"
#include "process.h"
#include "storage.h"

/* --- owners that are no more ---------------------------------------------------------- */

/* A run is in the record before it has a disk, and as long as it has one. */
static gboolean collect_has_run(struct machine *m, gint64 number)
{
	static const char *const runs[] = { "run", "next", "old" };

	for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
		JsonObject *run = machine_run(m, runs[i]);

		if (run && json_object_get_int_member(run, "number") == number)
			return TRUE;
	}
	return FALSE;
}

/* What cannot be read may be needed. */
static gboolean collect_is_run(struct store *store, const char *name, const char *number)
{
	g_autofree char *dir = store_path(store, "machines", name, NULL);
	g_autoptr(machine_ref) m = NULL;

	if (!g_file_test(dir, G_FILE_TEST_EXISTS))
		return FALSE;
	m = machine_open(store, name, NULL);
	return !m || collect_has_run(m, g_ascii_strtoll(number, NULL, 10));
}

/* See adopt_owner(). */
static gboolean collect_is_there(struct store *store, const char *owner)
{
	const char *at = strchr(owner, '@');
	g_autofree char *name = at ? g_strndup(owner, at - owner) : NULL, *dir = NULL;

	if (at)
		return collect_is_run(store, name, at + 1);
	dir = store_path(store, "snapshots", owner, NULL);
	return g_file_test(dir, G_FILE_TEST_EXISTS);
}

static void collect_add(GHashTable *lost, struct store *store, const char *owner)
{
	if (owner && !collect_is_there(store, owner))
		g_hash_table_add(lost, g_strdup(owner));
}

static GHashTable *collect_lost(struct layers *layers)
{
	GHashTable *lost = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	JsonObjectIter at;
	const char *name;
	JsonNode *node;

	json_object_iter_init(&at, layers_list(layers, "disks"));
	while (json_object_iter_next(&at, NULL, &node))
		collect_add(lost, layers->store,
			    layers_string(json_node_get_object(node), "owner"));
	json_object_iter_init(&at, layers_list(layers, "snapshots"));
	while (json_object_iter_next(&at, &name, NULL))
		collect_add(lost, layers->store, name);
	return lost;
}

/* --- what storage_collect() would find ------------------------------------------------- */

static gboolean collect_has_layers(struct layers *layers)
{
	g_autoptr(GHashTable) needed = layers_needed(layers);
	JsonObjectIter at;
	const char *id;

	json_object_iter_init(&at, layers_list(layers, "layers"));
	while (json_object_iter_next(&at, &id, NULL))
		if (!g_hash_table_contains(needed, id))
			return TRUE;
	return FALSE;
}

static gboolean collect_has_files(struct layers *layers)
{
	g_autofree char *path = store_path(layers->store, "images", NULL);
	GDir *dir = g_dir_open(path, 0, NULL);
	gboolean found = FALSE;
	const char *name;

	while (dir && !found && (name = g_dir_read_name(dir))) {
		g_autofree char *id = g_strndup(name, strcspn(name, "."));

		found = g_str_has_suffix(name, ".qcow2") && !layers_layer(layers, id);
	}
	if (dir)
		g_dir_close(dir);
	return found;
}

static gboolean collect_has_dead(struct layers *layers)
{
	JsonObjectIter at;
	JsonNode *node;

	json_object_iter_init(&at, layers_list(layers, "pending"));
	while (json_object_iter_next(&at, NULL, &node))
		if (!process_alive(json_object_get_object_member(json_node_get_object(node),
								 "process")))
			return TRUE;
	return FALSE;
}

static gboolean collect_has_daemon(struct layers *layers)
{
	g_autoptr(JsonObject) process = storage_process(layers->store);

	return json_object_get_size(layers_list(layers, "disks")) == 0 &&
	       json_object_get_size(layers_list(layers, "snapshots")) == 0 &&
	       process_alive(process);
}

/* NULL: nothing is to be done.  Else the owners that are lost, be there one or not. */
static GHashTable *collect_look(struct store *store, GError **error)
{
	g_autoptr(GHashTable) lost = NULL;
	struct layers layers;
	gboolean any;

	if (!layers_open(&layers, store, error))
		return NULL;
	lost = collect_lost(&layers);
	any = g_hash_table_size(lost) > 0 || collect_has_layers(&layers) ||
	      collect_has_files(&layers) || collect_has_dead(&layers) ||
	      collect_has_daemon(&layers);
	layers_close(&layers);
	return any ? g_steal_pointer(&lost) : NULL;
}

/* --- the work ---------------------------------------------------------------------------- */

static gboolean collect_do(struct store *store, GError **error)
{
	g_autoptr(GHashTable) lost = collect_look(store, error);
	GHashTableIter at;
	gpointer owner;

	if (!lost)
		return !*error;
	g_hash_table_iter_init(&at, lost);
	while (g_hash_table_iter_next(&at, &owner, NULL))
		if (!disk_release(store, owner, error))
			return FALSE;
	return disk_collect(store, error);
}

static gboolean collect_is_busy(struct store *store)
{
	g_autofree char *lock = store_path(store, "lock", NULL);
	g_autofree char *disks = store_path(store, "storage", "lock", NULL);

	return lock_is_held(lock) || lock_is_held(disks);
}

/* Nobody gets a disk under a new name meanwhile, for names are given in the store's lock. */
void collect(struct store *store)
{
	g_autofree char *images = store_path(store, "images", NULL);
	g_autoptr(GError) error = NULL;

	if (!g_file_test(images, G_FILE_TEST_IS_DIR) || collect_is_busy(store))
		return;
	if (!store_lock(store, &error) || !collect_do(store, &error))
		vmfork_warn("disks that nothing needs stay: %s", error->message);
	store_unlock(store);
}
