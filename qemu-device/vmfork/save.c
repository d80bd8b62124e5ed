/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork save SNAP DIR */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cancel.h"
#include "copy.h"
#include "disk.h"
#include "meta.h"
#include "output.h"
#include "saved.h"
#include "snap.h"
#include "steps.h"

struct save {
	struct vmfork *v;
	struct snap *s;
	char *dir, *partial;
	int fd;			/* of partial, locked */
	gint64 bytes;		/* of memory that were not zero */
};

static gboolean save_copy(struct save *w, int from, const char *name, gint64 size,
			  struct copy *c, GError **error)
{
	gboolean done;

	c->from = from;
	c->to = openat(w->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (c->to < 0)
		return vmfork_fail_errno(error, "cannot write %s/%s", w->partial, name);
	done = copy_file(c, size, error);
	if (close(c->to) < 0 && done)
		return vmfork_fail_errno(error, "cannot write %s/%s", w->partial, name);
	return done;
}

static gboolean save_file(struct save *w, const char *path, const char *name, struct copy *c,
			  GError **error)
{
	int from = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	gboolean done;

	if (from < 0 || fstat(from, &st) < 0) {
		vmfork_fail_errno(error, "cannot read %s", path);
		if (from >= 0)
			close(from);
		return FALSE;
	}
	done = save_copy(w, from, name, st.st_size, c, error);
	close(from);
	return done;
}

static gboolean save_ram(struct save *w, GError **error)
{
	g_autofree char *path = snap_ram(w->s);
	struct progress progress;
	struct copy c = { .progress = &progress };
	gboolean done;

	progress_begin(&progress, w->v, "saving memory");
	done = save_file(w, path, "ram", &c, error);
	progress_end(&progress);
	w->bytes = c.copied;
	return done;
}

static gboolean save_small(struct save *w, const char *name, gboolean needed, GError **error)
{
	g_autofree char *path = snap_path(w->s, name);
	struct copy c = { .progress = NULL };

	if (!needed && !g_file_test(path, G_FILE_TEST_EXISTS))
		return TRUE;
	return save_file(w, path, name, &c, error);
}

static gboolean save_disks(struct save *w, GError **error)
{
	guint n = json_array_get_length(json_object_get_array_member(w->s->meta, "disks"));

	for (guint i = 0; i < n; i++) {
		g_autofree char *path = g_strdup_printf("%s/disk%u.qcow2", w->partial, i);

		if (!disk_copy(w->v->store, w->s->name, i, path, NULL, error))
			return FALSE;
	}
	return TRUE;
}

/* Last, and without what ties the snapshot to this host. */
static gboolean save_meta(struct save *w, GError **error)
{
	g_autofree char *path = g_build_filename(w->partial, "meta.json", NULL);
	g_autofree char *state = snap_path(w->s, "state"), *now = output_now();
	struct stat st;

	if (stat(state, &st) < 0)
		return vmfork_fail_errno(error, "%s", state);
	json_object_remove_member(w->s->meta, "base");
	json_object_remove_member(w->s->meta, "base-path");
	json_object_set_string_member(w->s->meta, "saved", now);
	json_object_set_int_member(w->s->meta, "state-size", st.st_size);
	return store_note(path, w->s->meta, error);
}

static gboolean save_write(struct save *w, GError **error)
{
	step(STEP_SAVE_BEGUN);
	if (!save_ram(w, error))
		return FALSE;
	step(STEP_SAVE_RAM);
	if (!save_small(w, "state", TRUE, error) || !save_small(w, "notes", FALSE, error) ||
	    !save_disks(w, error) || !save_meta(w, error))
		return FALSE;
	step(STEP_SAVE_COPIED);
	if (!cancel_check(error) || !saved_commit(w->fd, w->partial, w->dir, error))
		return FALSE;
	step(STEP_SAVE_RENAMED);
	return TRUE;
}

/* So that "vmfork rm" finds what a save that was killed has left elsewhere. */
static gboolean save_intend(struct save *w, GError **error)
{
	g_autofree char *path = snap_path(w->s, "intent.json");
	JsonArray *saves;

	if (!w->s->intent)
		w->s->intent = json_object_new();
	saves = json_object_has_member(w->s->intent, "saves") ? json_array_ref(
		json_object_get_array_member(w->s->intent, "saves")) : json_array_new();
	json_array_add_string_element(saves, w->dir);
	json_object_set_array_member(w->s->intent, "saves", saves);
	return store_note(path, w->s->intent, error);
}

static gboolean save_open(struct save *w, const char *snap, GError **error)
{
	gboolean done;

	if (!store_lock(w->v->store, error))
		return FALSE;
	w->s = snap_use(w->v->store, snap, error);
	done = w->s && save_intend(w, error);
	store_unlock(w->v->store);
	return done;
}

static void save_report(struct save *w)
{
	g_autofree char *size = output_size(w->bytes);

	json_object_set_string_member(w->v->result, "snapshot", w->s->name);
	json_object_set_string_member(w->v->result, "saved", w->dir);
	json_object_set_int_member(w->v->result, "memory-bytes", w->bytes);
	output_say(w->v, "%s: saved, %s of memory", w->dir, size);
}

static gboolean save_do(struct save *w, const char *snap, GError **error)
{
	gboolean done;

	if (!save_open(w, snap, error))
		return FALSE;
	w->fd = saved_begin(w->dir, &w->partial, error);
	if (w->fd < 0)
		return FALSE;
	done = save_write(w, error);
	if (done)
		save_report(w);
	else
		store_remove(w->partial, NULL);
	close(w->fd);
	return done;
}

gboolean verb_save(struct vmfork *v, int argc, char **argv, char **rest, GError **error)
{
	struct save w = { .v = v };
	gboolean done;

	(void)rest;
	if (!vmfork_parse(v, NULL, &argc, &argv, 2, 2, error))
		return FALSE;
	w.dir = g_canonicalize_filename(argv[2], NULL);
	done = save_do(&w, argv[1], error);
	snap_free(w.s);
	g_free(w.dir);
	g_free(w.partial);
	return done;
}
