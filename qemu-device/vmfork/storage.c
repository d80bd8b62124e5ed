/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "image.h"
#include "lock.h"
#include "process.h"
#include "storage.h"
#include "switch.h"

#define STORAGE_END (30 * G_USEC_PER_SEC)

#ifndef VMFORK_LIBEXEC
#define VMFORK_LIBEXEC "/usr/libexec/vmfork"
#endif

/* --- the process --- */

JsonObject *storage_process(struct store *store)
{
	g_autofree char *path = store_path(store, "storage", "daemon.json", NULL);

	return store_read(path, NULL);
}

/* The daemon's own pid file, for a vmfork that was killed could not record it. */
static gboolean storage_record(struct store *store, GError **error)
{
	g_autofree char *pidfile = store_path(store, "storage", "pid", NULL), *text = NULL;
	g_autofree char *path = store_path(store, "storage", "daemon.json", NULL);
	g_autoptr(JsonObject) record = NULL;

	if (!g_file_get_contents(pidfile, &text, NULL, error))
		return FALSE;
	record = process_record(atoi(text));
	return store_note(path, record, error);
}

/* A value of QEMU's option syntax: a comma is doubled. */
static char *storage_quote(const char *value)
{
	g_auto(GStrv) parts = g_strsplit(value, ",", -1);

	return g_strjoinv(",,", parts);
}

static char *storage_option(struct store *store, const char *before, const char *file,
			    const char *after)
{
	g_autofree char *path = store_path(store, "storage", file, NULL);
	g_autofree char *quoted = storage_quote(path);

	return g_strconcat(before, quoted, after, NULL);
}

static int storage_execute(struct store *store, const char *log, GError **error)
{
	g_autofree char *pid = store_path(store, "storage", "pid", NULL);
	g_autofree char *qmp = storage_option(store, "socket,id=qmp,path=", "qmp.sock",
					      ",server=on,wait=off");
	g_autofree char *jobs = storage_option(store, "socket,id=jobs,path=", "jobs.sock",
					       ",server=on,wait=off");
	g_autofree char *nbd = storage_option(store, "addr.type=unix,addr.path=", "nbd.sock",
					      ",max-connections=0");
	const char *const argv[] = {
		"qemu-storage-daemon", "--daemonize", "--pidfile", pid,
		"--chardev", qmp, "--monitor", "chardev=qmp",
		"--chardev", jobs, "--monitor", "chardev=jobs", "--nbd-server", nbd, NULL
	};
	struct process p = { .argv = argv, .log = log };

	return process_run(&p, error);
}

static gboolean storage_start(struct store *store, GError **error)
{
	g_autofree char *log = store_path(store, "storage", "log", NULL), *text = NULL;
	int status;

	unlink(log);
	status = storage_execute(store, log, error);
	if (status == 0)
		return storage_record(store, error);
	if (status < 0) {
		g_prefix_error(error, "install the tools of QEMU, or put them into PATH: ");
		return FALSE;
	}
	g_file_get_contents(log, &text, NULL, NULL);
	return vmfork_fail(error, VMFORK_FAILED, "qemu-storage-daemon does not start: %s",
			   text ? g_strchomp(text) : "see its log");
}

static gboolean storage_fits(struct store *store, GError **error)
{
	g_autofree char *path = store_path(store, "storage", "jobs.sock", NULL);

	if (strlen(path) < sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "%s is too long for a socket: choose a "
			   "shorter folder by --dir", path);
}

/* Refused: nobody listens, so its process is dead or was never there. */
static gboolean storage_absent(const GError *why)
{
	return g_error_matches(why, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED) ||
	       g_error_matches(why, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static gboolean storage_connect(struct storage *s, gboolean start, GError **error)
{
	struct store *store = s->layers.store;
	g_autofree char *path = store_path(store, "storage", "qmp.sock", NULL);
	g_autoptr(JsonObject) process = NULL;
	g_autoptr(GError) why = NULL;

	if (!storage_fits(store, error))
		return FALSE;
	s->qmp = qmp_open(path, &why);
	if (s->qmp)
		return TRUE;
	process = storage_process(store);
	if (!storage_absent(why) && process_alive(process)) {
		g_propagate_error(error, g_steal_pointer(&why));
		return FALSE;
	}
	if (!start)
		return TRUE;
	s->fresh = TRUE;
	if (!storage_start(store, error))
		return FALSE;
	s->qmp = qmp_open(path, error);
	return s->qmp != NULL;
}

/* --- nodes --- */

static GHashTable *storage_names(struct storage *s, const char *query, const char *member,
				 GError **error)
{
	g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
							    g_free);
	g_autoptr(JsonNode) answer = qmp_run(s->qmp, query, NULL, error);
	JsonObject *object;
	JsonArray *array;

	if (!answer)
		return NULL;
	array = json_node_get_array(answer);
	for (guint i = 0; i < json_array_get_length(array); i++) {
		object = json_array_get_object_element(array, i);
		g_hash_table_insert(names, g_strdup(layers_string(object, member)),
				    g_strdup(layers_string(object, "node-name")));
	}
	return g_steal_pointer(&names);
}

static GHashTable *storage_nodes(struct storage *s, GError **error)
{
	g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
							    NULL);
	JsonObject *flat = json_object_new(), *object;
	g_autoptr(JsonNode) answer = NULL;
	JsonArray *array;

	json_object_set_boolean_member(flat, "flat", TRUE);
	answer = qmp_run(s->qmp, "query-named-block-nodes", flat, error);
	if (!answer)
		return NULL;
	array = json_node_get_array(answer);
	for (guint i = 0; i < json_array_get_length(array); i++) {
		object = json_array_get_object_element(array, i);
		g_hash_table_add(names, g_strdup(layers_string(object, "node-name")));
	}
	return g_steal_pointer(&names);
}

char *storage_top(struct storage *s, const char *disk)
{
	g_autoptr(GHashTable) exports = storage_names(s, "query-block-exports", "id", NULL);

	return exports ? g_strdup(g_hash_table_lookup(exports, disk)) : NULL;
}

/*
 * Nothing else keeps a raw image from being written: whoever has it as a backing file
 * shares the right to write.  A copy-before-write filter does not share it, so with one on
 * top, which has a reader, other programs of QEMU's get no lock to write.  It copies
 * nothing, for nothing writes through it.
 */
static gboolean storage_guard(struct storage *s, const char *id, GHashTable *nodes,
			      GError **error)
{
	JsonObject *layer = layers_layer(&s->layers, id), *filter, *null;
	g_autofree char *guard = g_strconcat(id, "-guard", NULL);

	if (strcmp(layers_string(layer, "format"), "raw") != 0 ||
	    g_hash_table_contains(nodes, guard))
		return TRUE;
	null = image_object("driver", "null-co", NULL);
	filter = image_object("driver", "copy-before-write", "node-name", guard, "file", id,
			      NULL);
	json_object_set_int_member(null, "size", json_object_get_int_member(layer, "virtual"));
	json_object_set_object_member(filter, "target", null);
	g_hash_table_add(nodes, g_strdup(guard));
	return qmp_do(s->qmp, "blockdev-add", filter, error) &&
	       qmp_do(s->qmp, "block-export-add", image_object("type", "nbd", "id", guard,
							"node-name", guard, NULL), error);
}

/* backing: NULL for none, which QEMU wants to be said, for else it looks into the file */
static gboolean storage_node(struct storage *s, JsonObject *layer, const char *backing,
			     gboolean writable, GError **error)
{
	JsonObject *options = image_options(layer, error);

	if (!options)
		return FALSE;
	json_object_set_string_member(options, "node-name", layers_string(layer, "id"));
	json_object_set_boolean_member(options, "read-only", !writable);
	if (writable)
		json_object_set_string_member(options, "discard", "unmap");
	if (backing)
		json_object_set_string_member(options, "backing", backing);
	else if (strcmp(layers_string(layer, "format"), "qcow2") == 0)
		json_object_set_null_member(options, "backing");
	return qmp_do(s->qmp, "blockdev-add", options, error);
}

static gboolean storage_layer(struct storage *s, const char *id, GHashTable *nodes,
			      GHashTable *tops, GError **error)
{
	JsonObject *layer = layers_layer(&s->layers, id);
	const char *name = layers_string(layer, "file") ?: layers_string(layer, "uri");

	if (g_hash_table_contains(nodes, id))
		return TRUE;
	if (!image_verify(layer, error))
		return FALSE;
	if (!storage_node(s, layer, layers_string(layer, "backing"),
			  g_hash_table_contains(tops, id), error)) {
		g_prefix_error(error, "cannot open %s: if another program uses it, end that: ",
			       name);
		return FALSE;
	}
	g_hash_table_add(nodes, g_strdup(id));
	return TRUE;
}

/* From the bottom up */
static gboolean storage_chain(struct storage *s, const char *id, GHashTable *nodes,
			      GError **error)
{
	g_autoptr(GPtrArray) chain = layers_chain(&s->layers, id);
	g_autoptr(GHashTable) tops = layers_tops(&s->layers);

	for (guint i = chain->len; i-- > 0;)
		if (!storage_layer(s, chain->pdata[i], nodes, tops, error) ||
		    !storage_guard(s, chain->pdata[i], nodes, error))
			return FALSE;
	return TRUE;
}

/* What the next disk_freeze() puts on top of a disk lies on nothing until then. */
gboolean storage_add(struct storage *s, const char *id, GError **error)
{
	return storage_node(s, layers_layer(&s->layers, id), NULL, TRUE, error);
}

/* --- exports --- */

static JsonObject *storage_export(struct storage *s, JsonObject *disk)
{
	const char *id = layers_string(disk, "id"), *how = layers_string(disk, "how");
	JsonObject *export = image_object("type", how, "id", id, "node-name",
					  layers_string(disk, "layer"), NULL);
	g_autofree char *name = g_strconcat(id, ".sock", NULL), *path = NULL;

	json_object_set_boolean_member(export, "writable", TRUE);
	json_object_set_boolean_member(export, "writethrough", TRUE);
	if (strcmp(how, "nbd") == 0) {
		json_object_set_string_member(export, "name", id);
		return export;
	}
	path = store_path(s->layers.store, "storage", name, NULL);
	json_object_set_object_member(export, "addr",
				      image_object("type", "unix", "path", path, NULL));
	return export;
}

static gboolean storage_disk(struct storage *s, const char *id, GHashTable *nodes,
			     GHashTable *exports, GError **error)
{
	JsonObject *disk = layers_get(&s->layers, "disks", id);

	if (g_hash_table_contains(exports, id))
		return TRUE;
	return storage_chain(s, layers_string(disk, "layer"), nodes, error) &&
	       qmp_do(s->qmp, "block-export-add", storage_export(s, disk), error);
}

gboolean storage_raise(struct storage *s, const char *disk, GError **error)
{
	g_autoptr(GHashTable) nodes = storage_nodes(s, error), exports = NULL;

	if (!nodes)
		return FALSE;
	exports = storage_names(s, "query-block-exports", "id", error);
	return exports && storage_disk(s, disk, nodes, exports, error);
}

/* --- what the record says, and the daemon does not --- */

/* Names of our own: a letter and a number.  job.c has others. */
static gint64 storage_number(const char *name)
{
	return strchr("ld", name[0]) && g_ascii_isdigit(name[1]) ?
	       g_ascii_strtoll(name + 1, NULL, 10) : -1;
}

static gint storage_later(gconstpointer a, gconstpointer b)
{
	gint64 x = storage_number(*(char *const *)a), y = storage_number(*(char *const *)b);

	/* A guard before what it guards: its name is longer. */
	if (x == y)
		return strlen(*(char *const *)b) - strlen(*(char *const *)a);
	return x < y ? 1 : -1;
}

/* The name in the record that an export or a node stands for */
static char *storage_stem(const char *name)
{
	return g_strndup(name, 1 + strspn(name + 1, G_CSET_DIGITS));
}

static GPtrArray *storage_surplus(GHashTable *names, GHashTable *needed)
{
	GPtrArray *surplus = g_ptr_array_new();
	GHashTableIter at;
	gpointer name;

	g_hash_table_iter_init(&at, names);
	while (g_hash_table_iter_next(&at, &name, NULL)) {
		g_autofree char *stem = storage_stem(name);

		if (storage_number(name) >= 0 && !g_hash_table_contains(needed, stem))
			g_ptr_array_add(surplus, name);
	}
	g_ptr_array_sort(surplus, storage_later);
	return surplus;
}

static void storage_drop_export(struct storage *s, const char *id)
{
	g_autoptr(GError) error = NULL;
	gint64 end = QMP_PATIENCE;
	g_autoptr(JsonObject) gone = NULL;

	if (qmp_do(s->qmp, "block-export-del", image_object("id", id, "mode", "hard", NULL),
		   &error))
		gone = qmp_wait(s->qmp, "BLOCK_EXPORT_DELETED", end, &error);
	if (error)
		vmfork_warn("export %s: %s", id, error->message);
}

static gboolean storage_drop_exports(struct storage *s, GHashTable *needed, GError **error)
{
	g_autoptr(GHashTable) exports = storage_names(s, "query-block-exports", "id", error);
	g_autoptr(GPtrArray) surplus = NULL;

	if (!exports)
		return FALSE;
	surplus = storage_surplus(exports, needed);
	for (guint i = 0; i < surplus->len; i++)
		storage_drop_export(s, surplus->pdata[i]);
	return TRUE;
}

/* One that a job reads stays; the next look finds it. */
static gboolean storage_drop_nodes(struct storage *s, GHashTable *needed, GError **error)
{
	g_autoptr(GHashTable) nodes = storage_nodes(s, error);
	g_autoptr(GPtrArray) surplus = NULL;

	if (!nodes)
		return FALSE;
	surplus = storage_surplus(nodes, needed);
	for (guint i = 0; i < surplus->len; i++)
		qmp_do(s->qmp, "blockdev-del", image_object("node-name", surplus->pdata[i],
							    NULL), NULL);
	return TRUE;
}

static gboolean storage_drop(struct storage *s, GError **error)
{
	g_autoptr(GHashTable) needed = layers_needed(&s->layers);
	JsonObjectIter at;
	const char *id;

	json_object_iter_init(&at, layers_list(&s->layers, "disks"));
	while (json_object_iter_next(&at, &id, NULL))
		g_hash_table_add(needed, g_strdup(id));
	return storage_drop_exports(s, needed, error) && storage_drop_nodes(s, needed, error);
}

/* A disk that cannot be had, say by a changed base, does not take the others with it. */
static void storage_raise_disks(struct storage *s, GHashTable *nodes, GHashTable *exports)
{
	JsonObjectIter at;
	const char *id;

	json_object_iter_init(&at, layers_list(&s->layers, "disks"));
	while (json_object_iter_next(&at, &id, NULL)) {
		g_autoptr(GError) error = NULL;

		if (!storage_disk(s, id, nodes, exports, &error))
			vmfork_warn("disk %s of %s: %s", id, layers_string(layers_get(&s->layers,
				    "disks", id), "owner"), error->message);
	}
}

/* The frozen layers of snapshots, so that their files stay locked */
static void storage_raise_snapshots(struct storage *s, GHashTable *nodes)
{
	JsonObjectIter at;
	const char *snap;
	JsonNode *node;

	json_object_iter_init(&at, layers_list(&s->layers, "snapshots"));
	while (json_object_iter_next(&at, &snap, &node)) {
		JsonArray *array = json_node_get_array(node);

		for (guint i = 0; i < json_array_get_length(array); i++) {
			g_autoptr(GError) error = NULL;

			if (!storage_chain(s, json_array_get_string_element(array, i), nodes,
					   &error))
				vmfork_warn("snapshot %s: %s", snap, error->message);
		}
	}
}

static void storage_raise_pending(struct storage *s, GHashTable *nodes)
{
	JsonObjectIter snaps, disks;
	JsonNode *snap, *node;

	json_object_iter_init(&snaps, layers_list(&s->layers, "pending"));
	while (json_object_iter_next(&snaps, NULL, &snap)) {
		json_object_iter_init(&disks, json_object_get_object_member(
					      json_node_get_object(snap), "disks"));
		while (json_object_iter_next(&disks, NULL, &node))
			if (!g_hash_table_contains(nodes, json_node_get_string(node)))
				storage_add(s, json_node_get_string(node), NULL);
	}
}

static gboolean storage_agree(struct storage *s, GError **error)
{
	g_autoptr(GHashTable) nodes = NULL, exports = NULL;

	if (!storage_drop(s, error))
		return FALSE;
	nodes = storage_nodes(s, error);
	exports = nodes ? storage_names(s, "query-block-exports", "id", error) : NULL;
	if (!exports)
		return FALSE;
	storage_raise_disks(s, nodes, exports);
	storage_raise_snapshots(s, nodes);
	storage_raise_pending(s, nodes);
	return TRUE;
}

/* --- what nothing needs --- */

static void storage_forget(struct storage *s, GHashTable *nodes)
{
	g_autoptr(GHashTable) needed = layers_needed(&s->layers);
	JsonObject *layers = layers_list(&s->layers, "layers");
	g_autoptr(GList) ids = json_object_get_members(layers);

	for (GList *at = ids; at; at = at->next)
		if (!g_hash_table_contains(needed, at->data) &&
		    !(nodes && g_hash_table_contains(nodes, at->data)))
			json_object_remove_member(layers, at->data);
}

/* Files of ours without a record: their vmfork was killed before or after it had one. */
static void storage_sweep(struct storage *s)
{
	g_autofree char *path = store_path(s->layers.store, "images", NULL);
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *stem = storage_stem(name), *whole = NULL, *file = NULL;

		whole = g_strconcat(stem, ".qcow2", NULL);
		if (storage_number(name) < 0 || strcmp(name, whole) != 0 ||
		    layers_layer(&s->layers, stem))
			continue;
		file = g_build_filename(path, name, NULL);
		if (unlink(file) < 0 && errno != ENOENT)
			vmfork_warn("cannot remove %s: %s", file, g_strerror(errno));
	}
	if (dir)
		g_dir_close(dir);
}

gboolean storage_collect(struct storage *s, GError **error)
{
	guint before = json_object_get_size(layers_list(&s->layers, "layers"));
	g_autoptr(GHashTable) nodes = NULL;

	if (s->qmp) {
		if (!storage_drop(s, error))
			return FALSE;
		nodes = storage_nodes(s, error);
		if (!nodes)
			return FALSE;
	}
	storage_forget(s, nodes);
	if (json_object_get_size(layers_list(&s->layers, "layers")) != before &&
	    !layers_save(&s->layers, error))
		return FALSE;
	storage_sweep(s);
	return TRUE;
}

/* --- one that keeps it running --- */

static char *storage_watcher(void)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL), *dir = NULL;
	g_autofree char *beside = NULL;

	dir = g_path_get_dirname(self ?: "");
	beside = g_build_filename(dir, "vmfork-storage", NULL);
	if (g_file_test(beside, G_FILE_TEST_IS_EXECUTABLE))
		return g_steal_pointer(&beside);
	return g_strdup(VMFORK_LIBEXEC "/vmfork-storage");
}

gboolean storage_watch(struct store *store, GError **error)
{
	g_autofree char *lock = store_path(store, "storage", "watch.lock", NULL);
	g_autofree char *log = store_path(store, "storage", "watch.log", NULL);
	g_autofree char *program = storage_watcher();
	struct process p = {
		.argv = (const char *const[]){ program, store->dir, NULL }, .log = log,
	};

	if (lock_is_held(lock))
		return TRUE;
	if (process_prepare(&p, error) && process_go(&p, error))
		return TRUE;
	g_prefix_error(error, "if qemu-storage-daemon dies, the disks stand still until the "
		       "next vmfork: ");
	return FALSE;
}

/* --- open and close --- */

static gboolean storage_is_needed(struct storage *s)
{
	return json_object_get_size(layers_list(&s->layers, "disks")) > 0 ||
	       json_object_get_size(layers_list(&s->layers, "snapshots")) > 0;
}

static gboolean storage_bring_up(struct storage *s, enum storage_how how, GError **error)
{
	if (!storage_connect(s, how != STORAGE_LOOK || storage_is_needed(s), error))
		return FALSE;
	if (!s->qmp || (how == STORAGE_QUICK && !s->fresh))
		return TRUE;
	return switch_settle(s, error) && storage_agree(s, error);
}

gboolean storage_open(struct storage *s, struct store *store, enum storage_how how,
		      GError **error)
{
	*s = (struct storage){ .fresh = FALSE };
	if (!layers_open(&s->layers, store, error))
		return FALSE;
	if (storage_bring_up(s, how, error))
		return TRUE;
	g_clear_pointer(&s->qmp, qmp_free);
	layers_close(&s->layers);
	return FALSE;
}

/* The next one must not come before this one has removed its sockets. */
static void storage_quit(struct storage *s)
{
	g_autoptr(JsonObject) process = storage_process(s->layers.store);
	g_autoptr(GError) error = NULL;

	if (!qmp_do(s->qmp, "quit", NULL, &error) ||
	    !process_await_end(process, STORAGE_END, &error))
		vmfork_warn("qemu-storage-daemon: %s", error->message);
}

void storage_close(struct storage *s)
{
	gboolean needed = s->qmp && storage_is_needed(s);
	struct store *store = s->layers.store;
	g_autoptr(GError) error = NULL;

	if (s->qmp && !needed)
		storage_quit(s);
	g_clear_pointer(&s->qmp, qmp_free);
	layers_close(&s->layers);
	if (needed && !storage_watch(store, &error))
		vmfork_warn("%s", error->message);
}
