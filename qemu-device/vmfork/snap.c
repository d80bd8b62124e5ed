/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include "adopt.h"
#include "image.h"
#include "machine.h"
#include "output.h"
#include "snap.h"
#include "process.h"
#include "steps.h"
#include "view.h"

static struct snap *snap_alloc(struct store *store, const char *name)
{
	struct snap *s = g_new0(struct snap, 1);

	s->store = store;
	s->name = g_strdup(name);
	s->dir = store_path(store, "snapshots", name, NULL);
	return s;
}

void snap_free(struct snap *s)
{
	if (!s)
		return;
	g_clear_pointer(&s->meta, json_object_unref);
	g_clear_pointer(&s->intent, json_object_unref);
	g_free(s->name);
	g_free(s->dir);
	g_free(s);
}

char *snap_path(struct snap *s, const char *file)
{
	return g_build_filename(s->dir, file, NULL);
}

static gboolean snap_is_free(struct snap *s, GError **error)
{
	g_autofree char *machine = store_path(s->store, "machines", s->name, NULL);
	g_autofree char *control = snap_path(s, "control");

	if (g_file_test(s->dir, G_FILE_TEST_EXISTS))
		return vmfork_fail(error, VMFORK_REFUSED, "there is a snapshot %s already: use "
				   "another name, or \"vmfork rm %s\"", s->name, s->name);
	if (g_file_test(machine, G_FILE_TEST_EXISTS))
		return vmfork_fail(error, VMFORK_REFUSED, "there is a machine %s: use another "
				   "name for the snapshot", s->name);
	if (strlen(control) < sizeof(((struct sockaddr_un *)0)->sun_path))
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "%s has more than 107 bytes, too many for a "
			   "socket: use a shorter name, or a shorter folder with --dir or "
			   "VMFORK_DIR", control);
}

static gboolean snap_intend(struct snap *s, const char *machine, GError **error)
{
	g_autofree char *path = snap_path(s, "intent.json"), *now = output_now();

	s->intent = json_object_new();
	json_object_set_string_member(s->intent, "machine", machine);
	json_object_set_string_member(s->intent, "created", now);
	return store_note(path, s->intent, error);
}

static gboolean snap_make(struct snap *s, const char *machine, GError **error)
{
	if (!store_name(s->name, error) || !snap_is_free(s, error))
		return FALSE;
	if (mkdir(s->dir, 0700) < 0)
		return vmfork_fail_errno(error, "cannot make %s", s->dir);
	return snap_intend(s, machine, error);
}

struct snap *snap_new(struct store *store, const char *name, const char *machine,
		      GError **error)
{
	struct snap *s = snap_alloc(store, name);

	if (snap_make(s, machine, error))
		return s;
	snap_free(s);
	return NULL;
}

static gboolean snap_read(struct snap *s, const char *file, JsonObject **object,
			  GError **error)
{
	g_autofree char *path = snap_path(s, file);

	if (!g_file_test(path, G_FILE_TEST_EXISTS))
		return TRUE;
	*object = store_read(path, error);
	return *object != NULL;
}

static gboolean snap_version(struct snap *s, GError **error)
{
	if (!s->meta || json_object_get_int_member_with_default(s->meta, "version", 0) == 1)
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "the snapshot %s is of another version of "
			   "vmfork: use that one", s->name);
}

struct snap *snap_open(struct store *store, const char *name, GError **error)
{
	struct snap *s;

	if (!store_name(name, error))
		return NULL;
	s = snap_alloc(store, name);
	if (!g_file_test(s->dir, G_FILE_TEST_IS_DIR))
		vmfork_fail(error, VMFORK_MISSING, "there is no snapshot %s: \"vmfork ls\" shows "
			    "what there is", name);
	else if (snap_read(s, "intent.json", &s->intent, error) &&
		 snap_read(s, "meta.json", &s->meta, error) && snap_version(s, error))
		return s;
	snap_free(s);
	return NULL;
}

struct snap *snap_use(struct store *store, const char *name, GError **error)
{
	struct snap *s = snap_open(store, name, error);

	if (!s)
		return NULL;
	if (s->meta)
		return s;
	vmfork_fail(error, VMFORK_REFUSED, "the snapshot %s is half made, or half removed: wait "
		    "until its vmfork is done, or remove it with \"vmfork rm\"", name);
	snap_free(s);
	return NULL;
}

gboolean snap_describe(struct snap *s, gboolean durable, GError **error)
{
	g_autofree char *path = snap_path(s, "meta.json");

	return durable ? store_write(path, s->meta, error) : store_note(path, s->meta, error);
}

gboolean snap_sync(struct snap *s, GError **error)
{
	g_autofree char *state = snap_path(s, "state"), *copy = snap_path(s, "ram-copy");

	return image_sync(state, error) && (!g_file_test(copy, G_FILE_TEST_EXISTS) ||
					    image_sync(copy, error));
}

char *snap_ram(struct snap *s)
{
	gboolean copy = g_strcmp0(machine_string(s->meta, "how"), "copy") == 0;

	return snap_path(s, copy ? "ram-copy" : "view/ram");
}

/* --- who needs it ---------------------------------------------------------------- */

static gboolean snap_feeds(struct machine *m, const char *which, const char *name)
{
	JsonObject *run = machine_run(m, which);

	if (g_strcmp0(machine_string(run, "from"), name) != 0)
		return FALSE;
	/* Not started yet, or running: the command that starts it has locked the machine. */
	return !json_object_has_member(run, "process") ||
	       process_alive(json_object_get_object_member(run, "process"));
}

static void snap_add_machines(struct store *store, const char *name, GPtrArray *users)
{
	g_autoptr(GPtrArray) names = store_list(store, "machines");

	for (guint i = 0; i < names->len; i++) {
		g_autoptr(machine_ref) m = machine_open(store, names->pdata[i], NULL);

		if (m && (snap_feeds(m, "run", name) || snap_feeds(m, "next", name)))
			g_ptr_array_add(users, g_strconcat("machine ", m->name, NULL));
	}
}

GPtrArray *snap_users(struct store *store, const char *name)
{
	GPtrArray *users = g_ptr_array_new_with_free_func(g_free);
	g_autoptr(GPtrArray) names = store_list(store, "snapshots");

	snap_add_machines(store, name, users);
	for (guint i = 0; i < names->len; i++) {
		g_autoptr(snap_ref) s = snap_open(store, names->pdata[i], NULL);

		if (s && s->meta && g_strcmp0(machine_string(s->meta, "base"), name) == 0)
			g_ptr_array_add(users, g_strconcat("snapshot ", s->name, NULL));
	}
	return users;
}

/* A rename needs no room: the disk may be full, which is why it is removed. */
static gboolean snap_unmake(struct snap *s, GError **error)
{
	g_autofree char *meta = snap_path(s, "meta.json"), *gone = snap_path(s, "meta.removed");

	if (!s->meta || rename(meta, gone) == 0)
		return TRUE;
	return vmfork_fail_errno(error, "cannot remove %s", s->name);
}

void snap_unmark(struct snap *s)
{
	g_autofree char *meta = snap_path(s, "meta.json"), *gone = snap_path(s, "meta.removed");

	rename(gone, meta);
}

gboolean snap_mark(struct snap *s, GError **error)
{
	g_autoptr(GPtrArray) users = snap_users(s->store, s->name);
	g_autofree char *list = NULL;

	if (users->len == 0)
		return snap_unmake(s, error);
	g_ptr_array_add(users, NULL);
	list = g_strjoinv(", ", (char **)users->pdata);
	return vmfork_fail(error, VMFORK_REFUSED, "the snapshot %s is needed by %s: remove them "
			   "first, or use --force, which does that", s->name, list);
}

gboolean snap_discard(struct snap *s, gboolean force, GError **error)
{
	if (!view_end(s->dir, force, error))
		return FALSE;
	step(STEP_RM_CLOSED);
	if (!view_unmount(s->dir, error))
		return FALSE;
	step(STEP_RM_UNMOUNTED);
	adopt_release_snap(s->store, s->name);
	step(STEP_RM_RELEASED);
	return store_remove(s->dir, error);
}

char *snap_name(struct store *store, const char *machine)
{
	for (int i = 1;; i++) {
		g_autofree char *name = g_strdup_printf("%s.%d", machine, i);
		g_autofree char *snap = store_path(store, "snapshots", name, NULL);
		g_autofree char *other = store_path(store, "machines", name, NULL);

		if (!g_file_test(snap, G_FILE_TEST_EXISTS) &&
		    !g_file_test(other, G_FILE_TEST_EXISTS))
			return g_steal_pointer(&name);
	}
}
