/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include "cancel.h"
#include "meta.h"
#include "saved.h"
#include "steps.h"
#include "store.h"

static void saved_sweep_one(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		store_remove(path, NULL);
	if (fd >= 0)
		close(fd);
}

void saved_sweep(const char *dir)
{
	g_autofree char *parent = g_path_get_dirname(dir), *base = g_path_get_basename(dir);
	g_autofree char *prefix = g_strconcat(base, ".partial-", NULL);
	GDir *list = g_dir_open(parent, 0, NULL);
	const char *name;

	while (list && (name = g_dir_read_name(list))) {
		g_autofree char *path = g_build_filename(parent, name, NULL);

		if (g_str_has_prefix(name, prefix))
			saved_sweep_one(path);
	}
	if (list)
		g_dir_close(list);
}

int saved_begin(const char *dir, char **partial, GError **error)
{
	g_autofree char *path = g_strdup_printf("%s.partial-%d", dir, getpid());
	int fd;

	if (g_file_test(dir, G_FILE_TEST_EXISTS)) {
		vmfork_fail(error, VMFORK_REFUSED, "%s exists: name a folder that does not", dir);
		return -1;
	}
	saved_sweep(dir);
	fd = mkdir(path, 0700) == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*partial = g_steal_pointer(&path);
		return fd;
	}
	vmfork_fail_errno(error, "cannot make %s", path);
	if (fd >= 0)
		close(fd);
	return -1;
}

static gboolean saved_sync_file(int dir, const char *name, GError **error)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int done = fd >= 0 ? fsync(fd) : -1;

	if (fd >= 0)
		close(fd);
	return done == 0 ? TRUE : vmfork_fail_errno(error, "cannot write %s to the disk", name);
}

static gboolean saved_sync(int fd, const char *partial, GError **error)
{
	GDir *list = g_dir_open(partial, 0, error);
	gboolean done = list != NULL;
	const char *name;

	while (done && (name = g_dir_read_name(list)))
		done = saved_sync_file(fd, name, error);
	if (list)
		g_dir_close(list);
	if (done && fsync(fd) < 0)
		return vmfork_fail_errno(error, "cannot write %s to the disk", partial);
	return done;
}

/* A rename is safe once the folder that has the names is. */
static gboolean saved_sync_parent(const char *dir, GError **error)
{
	g_autofree char *parent = g_path_get_dirname(dir);
	int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int done = fd >= 0 ? fsync(fd) : -1;

	if (fd >= 0)
		close(fd);
	return done == 0 ? TRUE : vmfork_fail_errno(error, "cannot write %s to the disk", parent);
}

gboolean saved_commit(int fd, const char *partial, const char *dir, GError **error)
{
	if (!saved_sync(fd, partial, error))
		return FALSE;
	step(STEP_SAVE_SYNCED);
	if (!cancel_check(error))
		return FALSE;
	if (renameat2(AT_FDCWD, partial, AT_FDCWD, dir, RENAME_NOREPLACE) < 0)
		return vmfork_fail_errno(error, "cannot give %s its name", dir);
	return saved_sync_parent(dir, error);
}

/* --- reading -------------------------------------------------------------------- */

static gboolean saved_has(const char *dir, const char *name, gint64 size, GError **error)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	struct stat st;

	if (lstat(path, &st) < 0)
		return vmfork_fail(error, VMFORK_REFUSED, "%s is damaged: %s is missing", dir,
				   name);
	if (S_ISREG(st.st_mode) && st.st_size > 0 && (size < 0 || st.st_size == size))
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "%s is damaged: %s has not the size that it "
			   "should have", dir, name);
}

static gboolean saved_disks(const char *dir, JsonObject *meta, GError **error)
{
	guint n = json_array_get_length(json_object_get_array_member(meta, "disks"));

	for (guint i = 0; i < n; i++) {
		g_autofree char *name = g_strdup_printf("disk%u.qcow2", i);

		if (!saved_has(dir, name, -1, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean saved_check(const char *dir, JsonObject *meta, GError **error)
{
	JsonObject *ram = json_object_get_object_member(meta, "ram");

	return saved_has(dir, "ram", json_object_get_int_member(ram, "size"), error) &&
	       saved_has(dir, "state", json_object_get_int_member_with_default(meta,
							"state-size", -1), error) &&
	       saved_disks(dir, meta, error);
}

JsonObject *saved_open(const char *dir, GError **error)
{
	g_autofree char *path = g_build_filename(dir, "meta.json", NULL);
	g_autoptr(JsonObject) meta = NULL;

	if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
		vmfork_fail(error, VMFORK_MISSING, "%s is no saved snapshot: it has no meta.json",
			    dir);
		return NULL;
	}
	meta = store_read(path, error);
	if (!meta || !meta_check(meta, path, error) || !saved_check(dir, meta, error))
		return NULL;
	return g_steal_pointer(&meta);
}
