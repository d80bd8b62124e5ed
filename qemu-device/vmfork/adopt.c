/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "adopt.h"
#include "disk.h"

gboolean adopt_disks(struct store *store, const char *dir, guint n, const char *owner,
		     JsonArray *disks, GError **error)
{
	JsonObject *disk = NULL;

	for (guint i = 0; i < n; i++) {
		g_autofree char *spec = g_strdup_printf("qcow2:%s/disk%u.qcow2", dir, i);

		if (!disk_load(store, owner, i, spec, &disk, error))
			return FALSE;
		json_array_add_object_element(disks, disk);
	}
	return TRUE;
}

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

void adopt_release(struct machine *m, JsonObject *run)
{
	g_autofree char *owner = adopt_owner(m, run);

	adopt_let_go(m->store, owner);
}

void adopt_release_snap(struct store *store, const char *snap)
{
	adopt_let_go(store, snap);
}
