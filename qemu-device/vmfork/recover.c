/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "adopt.h"
#include "cancel.h"
#include "copy.h"
#include "disk.h"
#include "launch.h"
#include "process.h"
#include "recover.h"
#include "steps.h"
#include "view.h"

#define RECOVER_PATIENCE (60 * G_USEC_PER_SEC)
#define RECOVER_INTERVAL 20000

JsonObject *recover_doing(struct machine *m)
{
	return machine_run(m, "doing");
}

JsonObject *recover_begin(struct machine *m, const char *verb)
{
	JsonObject *doing = json_object_new();

	json_object_set_string_member(doing, "verb", verb);
	json_object_set_object_member(m->record, "doing", doing);
	return doing;
}

gboolean recover_done(struct machine *m, GError **error)
{
	json_object_remove_member(m->record, "doing");
	return machine_note(m, error);
}

static gboolean recover_is(struct machine *m, const char *verb)
{
	return g_strcmp0(machine_string(recover_doing(m), "verb"), verb) == 0;
}

gboolean recover_is_half_made(struct machine *m)
{
	return !json_object_has_member(m->record, "name") || recover_is(m, "run");
}

/* --- let it run on ------------------------------------------------------------------- */

static gboolean recover_cont_once(struct qmp *qmp, GError **error)
{
	g_autofree char *status = machine_status(qmp, error);

	if (!status)
		return FALSE;
	if (strcmp(status, "running") == 0)
		return TRUE;
	/* A state that is being written: QEMU refuses cont until that has ended. */
	if (!qmp_do(qmp, "migrate_cancel", NULL, error))
		return FALSE;
	return machine_cont(qmp, error);
}

static gboolean recover_cont(struct machine *m, GError **error)
{
	gint64 end = g_get_monotonic_time() + RECOVER_PATIENCE;
	g_autoptr(qmp_client) qmp = machine_connect(m, machine_run(m, "run"), error);

	while (qmp) {
		g_autoptr(GError) why = NULL;

		if (recover_cont_once(qmp, &why))
			return TRUE;
		if (g_get_monotonic_time() > end || !machine_alive(m)) {
			g_propagate_error(error, g_steal_pointer(&why));
			return FALSE;
		}
		if (!cancel_sleep(RECOVER_INTERVAL, error))
			return FALSE;
	}
	return FALSE;
}

static gboolean recover_flag(JsonObject *doing, const char *flag)
{
	return json_object_get_boolean_member_with_default(doing, flag, FALSE);
}

/* A machine whose process has ended meanwhile is no failure of ours. */
static gboolean recover_run_on(struct machine *m, GError **error)
{
	if (!recover_flag(recover_doing(m), "running") || !machine_alive(m))
		return TRUE;
	return recover_cont(m, error);
}

/* --- snapshot ------------------------------------------------------------------------ */

static gboolean recover_note_base(struct machine *m, const char *old, const char *base,
				  const char *path, GError **error)
{
	g_autoptr(snap_ref) s = snap_open(m->store, old, error);

	if (!s)
		return FALSE;
	if (!s->meta)
		return vmfork_fail(error, VMFORK_FAILED, "the snapshot %s is half made", old);
	if (base)
		json_object_set_string_member(s->meta, "base", base);
	json_object_set_string_member(s->meta, "base-path", path);
	return snap_describe(s, FALSE, error);
}

gboolean recover_rebase(struct machine *m, struct snap *s, const char *old, GError **error)
{
	g_autofree char *ram = snap_ram(s), *dir = store_path(m->store, "snapshots", old, NULL);
	JsonObject *request = json_object_new();

	if (!recover_note_base(m, old, s->name, ram, error)) {
		json_object_unref(request);
		return FALSE;
	}
	json_object_set_string_member(request, "ram", ram);
	return view_do(dir, "rebase", request, VIEW_PATIENCE, error);
}

static gboolean recover_copy_memory(struct machine *m, const char *path, GError **error)
{
	int from = machine_memory(machine_run(m, "run"), error);
	int to = from < 0 ? -1 : open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct copy c = { .from = from, .to = to };
	gboolean done = FALSE;

	if (from >= 0 && to < 0)
		vmfork_fail_errno(error, "%s", path);
	else if (from >= 0)
		done = copy_file(&c, json_object_get_int_member(m->record, "memory"), error);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return done;
}

/* The older view has handed over to a newer one that there will not be: the machine stands
 * still, so its memory is copied, and the older view goes on from the copy. */
static gboolean recover_rescue(struct machine *m, const char *old, GError **error)
{
	g_autofree char *dir = store_path(m->store, "snapshots", old, NULL);
	g_autofree char *path = g_build_filename(dir, "rest", NULL);
	JsonObject *request;

	if (!recover_copy_memory(m, path, error) ||
	    !recover_note_base(m, old, NULL, path, error))
		return FALSE;
	request = json_object_new();
	json_object_set_string_member(request, "ram", path);
	return view_do(dir, "rebase", request, VIEW_PATIENCE, error);
}

static void recover_lose(struct machine *m, const char *old, GError *why)
{
	g_autofree char *dir = store_path(m->store, "snapshots", old, NULL);

	vmfork_warn("the snapshot %s is lost: %s", old, why->message);
	view_end(dir, TRUE, NULL);
}

/* It was to hand over, and has not come to it. */
static gboolean recover_is_live(struct machine *m, const char *old)
{
	g_autofree char *dir = store_path(m->store, "snapshots", old, NULL);
	g_autoptr(JsonObject) status = view_ask(dir, "status", NULL, VIEW_PATIENCE, NULL);

	return status && recover_flag(status, "live");
}

/* The newer one's server must not have the memory any more when the machine runs: its
 * faults would wait for an answer.  It goes first, so that nobody hands over to it. */
static void recover_old(struct machine *m, struct snap *s, const char *old)
{
	g_autoptr(GError) error = NULL;

	if (!old || !recover_flag(recover_doing(m), "detached"))
		return;
	if (s)
		view_end(s->dir, TRUE, NULL);
	if (recover_is_live(m, old))
		return;
	json_object_remove_member(m->record, "view");
	if (!recover_rescue(m, old, &error))
		recover_lose(m, old, error);
}

static gboolean recover_forward(struct machine *m, struct snap *s, const char *old,
				GError **error)
{
	gboolean detached = recover_flag(recover_doing(m), "detached");
	JsonArray *disks = machine_disks(machine_run(m, "run"));

	if (disks && !disk_keep(m->store, disks, s->name, error))
		return FALSE;

	if (detached)
		json_object_remove_member(m->record, "view");
	if (detached && !recover_rebase(m, s, old, error))
		return FALSE;
	if (g_strcmp0(machine_string(s->meta, "how"), "view") == 0)
		json_object_set_string_member(m->record, "view", s->name);
	return TRUE;
}

static void recover_abandon(struct machine *m, struct snap *s)
{
	JsonArray *disks = machine_disks(machine_run(m, "run"));

	if (disks && s)
		disk_abandon(m->store, disks, s->name);
}

static gboolean recover_snapshot(struct machine *m, GError **error)
{
	JsonObject *doing = recover_doing(m);
	const char *old = machine_string(doing, "old");
	g_autoptr(snap_ref) s = snap_open(m->store, machine_string(doing, "snapshot") ?: "", NULL);
	g_autoptr(GError) why = NULL;
	gboolean on;

	if (s && s->meta) {
		if (!recover_forward(m, s, old, &why))
			recover_lose(m, old, why);
		return recover_run_on(m, error);
	}
	recover_old(m, s, old);
	on = recover_run_on(m, error);
	recover_abandon(m, s);
	if (s && !snap_discard(s, TRUE, on ? error : NULL))
		return FALSE;
	return on;
}

/* --- rollback -------------------------------------------------------------------------- */

static void recover_drop_run(struct machine *m, JsonObject *run)
{
	g_autofree char *dir = machine_path(m, run, "");

	adopt_release(m, run);
	store_remove(dir, NULL);
}

/* The view of the old process keeps the memory, which does not change any more. */
static void recover_detach(struct machine *m)
{
	const char *view = machine_string(m->record, "view");
	g_autofree char *dir = NULL;

	if (!view)
		return;
	dir = store_path(m->store, "snapshots", view, NULL);
	view_do(dir, "detach", NULL, VIEW_PATIENCE, NULL);
	json_object_remove_member(m->record, "view");
}

gboolean recover_takeover(struct machine *m, GError **error)
{
	JsonObject *old = machine_run(m, "run"), *next = machine_run(m, "next");

	if (!machine_end(m, old, error))
		return FALSE;
	step(STEP_ROLLBACK_ENDED);
	recover_detach(m);
	if (next) {
		json_object_set_object_member(m->record, "old", json_object_ref(old));
		if (!machine_enter(m, next, error))
			return FALSE;
	}
	step(STEP_ROLLBACK_TAKEN);
	return TRUE;
}

gboolean recover_drop_old(struct machine *m, GError **error)
{
	if (!machine_run(m, "old"))
		return TRUE;
	recover_drop_run(m, machine_run(m, "old"));
	json_object_remove_member(m->record, "old");
	return machine_note(m, error);
}

static gboolean recover_next_alive(struct machine *m)
{
	JsonObject *next = machine_run(m, "next");

	return next && json_object_has_member(next, "process") &&
	       process_alive(json_object_get_object_member(next, "process"));
}

static gboolean recover_drop_next(struct machine *m, GError **error)
{
	JsonObject *next = machine_run(m, "next");

	if (!next)
		return TRUE;
	if (!machine_end(m, next, error))
		return FALSE;
	recover_drop_run(m, next);
	json_object_remove_member(m->record, "next");
	return TRUE;
}

static gboolean recover_rollback(struct machine *m, GError **error)
{
	JsonObject *doing = recover_doing(m);

	if (recover_flag(doing, "committed") &&
	    (recover_next_alive(m) || !machine_run(m, "next"))) {
		if (machine_run(m, "next") && !recover_takeover(m, error))
			return FALSE;
		json_object_set_boolean_member(doing, "running", TRUE);
		return recover_run_on(m, error) && recover_drop_old(m, error);
	}
	if (!recover_run_on(m, error))
		return FALSE;
	return recover_drop_next(m, error);
}

gboolean machine_recover(struct machine *m, GError **error)
{
	gboolean done = TRUE;

	if (!recover_doing(m) || recover_is_half_made(m))
		return TRUE;
	cancel_shield();
	if (recover_is(m, "snapshot"))
		done = recover_snapshot(m, error);
	else if (recover_is(m, "rollback"))
		done = recover_rollback(m, error);
	if (done)
		done = recover_done(m, error);
	cancel_expose();
	return done;
}

static gboolean recover_whole(struct machine *m, GError **error)
{
	if (!machine_take(m, error) || !machine_recover(m, error))
		return FALSE;
	if (!recover_is_half_made(m))
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "the machine %s is half made: remove it with "
			   "\"vmfork rm %s\"", m->name, m->name);
}

struct machine *recover_open(struct store *store, const char *name, GError **error)
{
	struct machine *m = machine_open(store, name, error);

	if (!m || recover_whole(m, error))
		return m;
	machine_free(m);
	return NULL;
}
