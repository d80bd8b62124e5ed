/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include "lock.h"
#include "store.h"

static char *store_default(void)
{
	const char *dir = g_getenv("VMFORK_DIR");

	if (dir && *dir)
		return g_strdup(dir);
	if (geteuid() == 0)
		return g_strdup("/var/lib/vmfork");
	dir = g_getenv("XDG_STATE_HOME");
	if (dir && *dir)
		return g_build_filename(dir, "vmfork", NULL);
	return g_build_filename(g_get_home_dir(), ".local/state/vmfork", NULL);
}

static gboolean store_make(const char *dir, const char *name, GError **error)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);

	if (g_mkdir_with_parents(path, 0700) == 0)
		return TRUE;
	return vmfork_fail_errno(error, "cannot make %s: name a folder that you can write to "
				 "with --dir or VMFORK_DIR", path);
}

/* Without symbolic links: QEMU's mappings name the files by such a path. */
static char *store_resolve(const char *dir, GError **error)
{
	char *path = realpath(dir, NULL);

	if (!path)
		vmfork_fail_errno(error, "%s", dir);
	return path;
}

struct store *store_open(const char *dir, GError **error)
{
	g_autofree char *wanted = dir ? g_strdup(dir) : store_default();
	struct store *store;
	char *path;

	if (!store_make(wanted, "machines", error) || !store_make(wanted, "snapshots", error))
		return NULL;
	path = store_resolve(wanted, error);
	if (!path)
		return NULL;
	store = g_new0(struct store, 1);
	store->dir = path;
	store->lock = -1;
	return store;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	store_unlock(store);
	free(store->dir);
	g_free(store);
}

char *store_path(struct store *store, ...)
{
	GString *path = g_string_new(store->dir);
	const char *part;
	va_list parts;

	va_start(parts, store);
	while ((part = va_arg(parts, const char *)))
		g_string_append_printf(path, "/%s", part);
	va_end(parts);
	return g_string_free(path, FALSE);
}

gboolean store_lock(struct store *store, GError **error)
{
	g_autofree char *path = store_path(store, "lock", NULL);

	store->lock = lock_take(path, store->dir, LOCK_PATIENCE, error);
	return store->lock >= 0;
}

void store_unlock(struct store *store)
{
	if (store->lock >= 0)
		close(store->lock);
	store->lock = -1;
}

static gboolean store_name_ok(const char *name)
{
	size_t size = strlen(name);

	return size >= 1 && size <= 64 && g_ascii_isalnum(name[0]) &&
	       strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "._-") == size;
}

gboolean store_name(const char *name, GError **error)
{
	g_autofree char *shown = NULL;

	if (store_name_ok(name))
		return TRUE;
	shown = g_strescape(name, NULL);
	return vmfork_fail(error, VMFORK_USAGE, "\"%.80s\" is no name: use 1 to 64 letters, "
			   "digits, \".\", \"_\" and \"-\", and begin with a letter or a "
			   "digit", shown);
}

static gint store_order(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

GPtrArray *store_list(struct store *store, const char *kind)
{
	g_autofree char *path = store_path(store, kind, NULL);
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir)))
		if (store_name_ok(name))
			g_ptr_array_add(names, g_strdup(name));
	if (dir)
		g_dir_close(dir);
	g_ptr_array_sort(names, store_order);
	return names;
}

JsonObject *store_read(const char *path, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonNode *root;

	if (!json_parser_load_from_file(parser, path, error)) {
		g_prefix_error(error, "%s: ", path);
		return NULL;
	}
	root = json_parser_get_root(parser);
	if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
		vmfork_fail(error, VMFORK_FAILED, "%s: this is no JSON object", path);
		return NULL;
	}
	return json_object_ref(json_node_get_object(root));
}

static char *store_text(JsonObject *object)
{
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);

	return json_to_string(node, TRUE);
}

gboolean store_write(const char *path, JsonObject *object, GError **error)
{
	g_autofree char *text = store_text(object);

	return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT |
					G_FILE_SET_CONTENTS_DURABLE, 0600, error);
}

/* What has to outlive this process, but not the machine: a guest waits meanwhile. */
gboolean store_note(const char *path, JsonObject *object, GError **error)
{
	g_autofree char *text = store_text(object), *new = g_strconcat(path, ".new", NULL);

	if (!g_file_set_contents_full(new, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, error))
		return FALSE;
	if (g_rename(new, path) == 0)
		return TRUE;
	return vmfork_fail_errno(error, "cannot write %s", path);
}

static int store_remove_one(const char *path, const struct stat *st G_GNUC_UNUSED,
			    int type G_GNUC_UNUSED, struct FTW *ftw G_GNUC_UNUSED)
{
	return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

gboolean store_remove(const char *path, GError **error)
{
	if (nftw(path, store_remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 ||
	    errno == ENOENT)
		return TRUE;
	return vmfork_fail_errno(error, "cannot remove %s", path);
}
