/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "adopt.h"
#include "disk.h"

/* Of the folder, without a character that a file's name cannot have. */
static char *adopt_name(const char *kind, const char *dir)
{
	g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, dir, -1);

	return g_strdup_printf("%s@%.32s", kind, sum);
}

static gboolean adopt_attach(struct store *store, const char *dir, guint n, const char *owner,
			     JsonArray *disks, GError **error)
{
	JsonObject *disk = NULL;

	for (guint i = 0; i < n; i++) {
		g_autofree char *spec = g_strdup_printf("qcow2:%s/disk%u.qcow2", dir, i);

		if (!disk_attach(store, owner, i, spec, &disk, error))
			return FALSE;
		json_array_add_object_element(disks, disk);
	}
	return TRUE;
}

static gboolean adopt_freeze(struct store *store, JsonArray *disks, const char *snap,
			     GError **error)
{
	if (disk_prepare(store, disks, snap, error) && disk_freeze(store, disks, snap, error) &&
	    disk_keep(store, disks, snap, error))
		return TRUE;
	disk_abandon(store, disks, snap);
	return FALSE;
}

/* A disk on each image, frozen at once: layers on top of it are each machine's own. */
static gboolean adopt_images(struct store *store, const char *dir, guint n, const char *snap,
			     GError **error)
{
	g_autofree char *owner = adopt_name("loading", dir);
	g_autoptr(JsonArray) disks = json_array_new();
	gboolean done;

	/* That of a command that was killed. */
	if (!disk_release(store, owner, error))
		return FALSE;
	done = adopt_attach(store, dir, n, owner, disks, error) &&
	       adopt_freeze(store, disks, snap, error);
	disk_release(store, owner, NULL);
	return done;
}

gboolean adopt_disks(struct store *store, const char *dir, guint n, const char *owner,
		     JsonArray **disks, GError **error)
{
	g_autofree char *snap = adopt_name("saved", dir);

	if (!disk_clone(store, snap, owner, disks, error))
		return FALSE;
	if (json_array_get_length(*disks) == n)
		return TRUE;
	g_clear_pointer(disks, json_array_unref);
	return adopt_images(store, dir, n, snap, error) &&
	       disk_clone(store, snap, owner, disks, error);
}

/* --- the end ----------------------------------------------------------------------- */

char *adopt_owner(struct machine *m, JsonObject *run)
{
	return g_strdup_printf("%s@%" G_GINT64_FORMAT, m->name,
			       json_object_get_int_member(run, "number"));
}

/* A store that never had a disk has no folder for them, and gets none. */
static void adopt_let_go(struct store *store, const char *owner)
{
	g_autofree char *images = store_path(store, "images", NULL);
	g_autoptr(GError) error = NULL;

	if (g_file_test(images, G_FILE_TEST_IS_DIR) && !disk_release(store, owner, &error))
		vmfork_warn("the disks of %s stay: %s", owner, error->message);
}

static gboolean adopt_uses(struct machine *m, const char *which, const char *dir)
{
	return g_strcmp0(machine_string(machine_run(m, which), "saved"), dir) == 0;
}

static gboolean adopt_is_used(struct machine *but, const char *dir)
{
	g_autoptr(GPtrArray) names = store_list(but->store, "machines");

	for (guint i = 0; i < names->len; i++) {
		g_autoptr(machine_ref) m = NULL;

		if (g_strcmp0(names->pdata[i], but->name) == 0)
			continue;
		m = machine_open(but->store, names->pdata[i], NULL);
		if (m && (adopt_uses(m, "run", dir) || adopt_uses(m, "next", dir)))
			return TRUE;
	}
	return FALSE;
}

void adopt_release(struct machine *m, JsonObject *run)
{
	g_autofree char *owner = adopt_owner(m, run), *snap = NULL;
	const char *dir = machine_string(run, "saved");

	adopt_let_go(m->store, owner);
	if (!dir || adopt_is_used(m, dir))
		return;
	snap = adopt_name("saved", dir);
	adopt_let_go(m->store, snap);
}

void adopt_release_snap(struct store *store, const char *snap)
{
	adopt_let_go(store, snap);
}
