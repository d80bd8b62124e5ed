/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork snapshot NAME [SNAP] */
#include <string.h>
#include "adopt.h"
#include "cancel.h"
#include "disk.h"
#include "guard.h"
#include "launch.h"
#include "meta.h"
#include "output.h"
#include "recover.h"
#include "steps.h"
#include "take.h"

struct snapshot {
	struct take take;
	struct guard guard;
	gboolean running;
	gint64 stopped, pause;	/* monotonic; us */
};

/* --- before ------------------------------------------------------------------------- */

/* The view that write-protects the machine's memory now. */
static char *snapshot_live_view(struct machine *m)
{
	const char *name = machine_string(m->record, "view");
	g_autofree char *dir = NULL;
	g_autoptr(JsonObject) status = NULL;

	if (!name)
		return NULL;
	dir = store_path(m->store, "snapshots", name, NULL);
	status = view_ask(dir, "status", NULL, VIEW_PATIENCE, NULL);
	if (g_strcmp0(machine_string(status, "state"), "frozen") != 0 ||
	    !json_object_get_boolean_member_with_default(status, "live", FALSE))
		return NULL;
	return g_strdup(name);
}

static gboolean snapshot_note(struct snapshot *s, GError **error)
{
	struct take *t = &s->take;
	JsonObject *doing = recover_begin(t->m, "snapshot");

	json_object_set_string_member(doing, "snapshot", t->s->name);
	json_object_set_boolean_member(doing, "running", s->running);
	t->old = snapshot_live_view(t->m);
	if (t->old)
		json_object_set_string_member(doing, "old", t->old);
	if (!machine_note(t->m, error))
		return FALSE;
	step(STEP_SNAPSHOT_NOTED);
	return TRUE;
}

/* A fork is started without what was plugged in later, and could not load the state. */
static gboolean snapshot_is_complete(struct snapshot *s, GError **error)
{
	g_autoptr(JsonNode) answer = qmp_run(s->take.qmp, "query-memory-devices", NULL, error);
	JsonArray *list = answer && JSON_NODE_HOLDS_ARRAY(answer) ?
			  json_node_get_array(answer) : NULL;
	JsonObject *first, *data;

	if (!list || json_array_get_length(list) == 0)
		return answer != NULL;
	first = json_array_get_object_element(list, 0);
	data = json_object_get_object_member(first, "data");
	return vmfork_fail(error, VMFORK_REFUSED, "%s has memory that was plugged in (%s %s), which "
			   "a fork would not have: unplug it (device_del) before",
			   s->take.m->name, machine_string(first, "type"),
			   (data ? machine_string(data, "id") : NULL) ?: "without an id");
}

static gboolean snapshot_connect(struct snapshot *s, GError **error)
{
	struct take *t = &s->take;
	g_autofree char *status = NULL;

	t->run = machine_run(t->m, "run");
	t->qmp = machine_connect(t->m, t->run, error);
	status = t->qmp ? machine_status(t->qmp, error) : NULL;
	if (!status)
		return FALSE;
	t->generation = machine_generation(t->qmp);
	s->running = strcmp(status, "running") == 0;
	if (s->running || strcmp(status, "paused") == 0 || strcmp(status, "prelaunch") == 0 ||
	    strcmp(status, "postmigrate") == 0)
		return snapshot_is_complete(s, error);
	return vmfork_fail(error, VMFORK_REFUSED, "the machine %s is in the state %s: a snapshot "
			   "would keep that", t->m->name, status);
}

static void snapshot_inherit_blocks(struct take *t)
{
	if (!take_is(t, "view") && json_object_has_member(t->m->record, "blocks"))
		t->blocks = json_array_ref(json_object_get_array_member(t->m->record, "blocks"));
}

static gboolean snapshot_prepare(struct snapshot *s, GError **error)
{
	struct take *t = &s->take;
	JsonArray *disks = machine_disks(t->run);

	if (disks && !disk_prepare(t->v->store, disks, t->s->name, error))
		return FALSE;
	step(STEP_SNAPSHOT_PREPARED);
	take_choose(t);
	snapshot_inherit_blocks(t);
	return take_prepare(t, error);
}

/* --- the pause ------------------------------------------------------------------------ */

static gboolean snapshot_stop(struct snapshot *s, GError **error)
{
	s->stopped = g_get_monotonic_time();
	if (s->running && !qmp_do(s->take.qmp, "stop", NULL, error))
		return FALSE;
	step(STEP_SNAPSHOT_STOPPED);
	return TRUE;
}

/* The event comes a moment before QEMU has finished: "cont" would be refused, and there is
 * no event of that. */
static gboolean snapshot_settle(struct take *t, GError **error)
{
	for (;;) {
		g_autofree char *status = machine_status(t->qmp, error);

		if (!status)
			return FALSE;
		if (strcmp(status, "finish-migrate") != 0)
			return TRUE;
		if (!cancel_sleep(1000, error))
			return FALSE;
	}
}

static gboolean snapshot_state(struct take *t, GError **error)
{
	g_autofree char *path = snap_path(t->s, "state");
	g_autofree char *uri = g_strconcat("file:", path, NULL);
	JsonObject *arguments = json_object_new();

	json_object_set_string_member(arguments, "uri", uri);
	qmp_forget(t->qmp);
	if (!qmp_do(t->qmp, "migrate", arguments, error) ||
	    !launch_await_migration(t->qmp, error) || !snapshot_settle(t, error))
		return FALSE;
	step(STEP_SNAPSHOT_STATE);
	return TRUE;
}

/* Only what reads a core needs them, and not every machine can give them. */
static void snapshot_notes(struct take *t)
{
	g_autofree char *path = snap_path(t->s, "notes");
	g_autofree char *protocol = g_strconcat("file:", path, NULL);
	JsonObject *arguments = json_object_new();
	g_autoptr(GError) error = NULL;

	json_object_set_boolean_member(arguments, "paging", FALSE);
	json_object_set_string_member(arguments, "protocol", protocol);
	json_object_set_int_member(arguments, "begin", 0);
	json_object_set_int_member(arguments, "length", 4096);
	if (!qmp_do(t->qmp, "dump-guest-memory", arguments, &error) && cancel_check(NULL))
		vmfork_warn("no core of %s: %s", t->s->name, error->message);
	step(STEP_SNAPSHOT_NOTES);
}

static gboolean snapshot_disks(struct take *t, GError **error)
{
	JsonArray *disks = machine_disks(t->run);

	if (disks && !disk_freeze(t->v->store, disks, t->s->name, error))
		return FALSE;
	step(STEP_SNAPSHOT_DISKS);
	return TRUE;
}

static gboolean snapshot_freeze(struct take *t, GError **error)
{
	if (!take_freeze(t, error))
		return FALSE;
	step(STEP_SNAPSHOT_FROZEN);
	return snapshot_disks(t, error);
}

/* From here on the snapshot is whole: a command that dies now has taken it. */
static gboolean snapshot_keep(struct take *t, GError **error)
{
	t->s->meta = meta_of(t);
	if (!snap_describe(t->s, FALSE, error))
		return FALSE;
	step(STEP_SNAPSHOT_KEPT);
	if (t->detached)
		json_object_remove_member(t->m->record, "view");
	if (t->detached && !recover_rebase(t->m, t->s, t->old, error))
		return FALSE;
	step(STEP_SNAPSHOT_REBASED);
	if (take_is(t, "view"))
		json_object_set_string_member(t->m->record, "view", t->s->name);
	return TRUE;
}

static gboolean snapshot_pause(struct snapshot *s, GError **error)
{
	struct take *t = &s->take;

	if (!launch_capabilities(t->qmp, error) || !snapshot_stop(s, error) ||
	    !take_stopped(t, error) || !snapshot_state(t, error))
		return FALSE;
	snapshot_notes(t);
	if (!snapshot_freeze(t, error) || !snapshot_keep(t, error))
		return FALSE;
	if (s->running && !qmp_do(t->qmp, "cont", NULL, error))
		return FALSE;
	s->pause = g_get_monotonic_time() - s->stopped;
	step(STEP_SNAPSHOT_CONTINUED);
	return TRUE;
}

/* --- after ----------------------------------------------------------------------------- */

/* Each snapshot makes the chains under the disks longer, and reads slower. */
static void snapshot_trim(struct take *t)
{
	g_autofree char *owner = adopt_owner(t->m, t->run);
	g_autoptr(GError) error = NULL;

	if (!disk_trim(t->v->store, owner, NULL, &error))
		vmfork_warn("the disks keep their many layers: %s", error->message);
}

static gboolean snapshot_finish(struct snapshot *s, GError **error)
{
	struct take *t = &s->take;
	JsonArray *disks = machine_disks(t->run);

	if (disks && !disk_keep(t->v->store, disks, t->s->name, error))
		return FALSE;
	json_object_set_int_member(t->s->meta, "pause-us", s->pause);
	if (!snap_sync(t->s, error) || !snap_describe(t->s, TRUE, error))
		return FALSE;
	step(STEP_SNAPSHOT_DESCRIBED);
	take_finish(t);
	if (!recover_done(t->m, error))
		return FALSE;
	if (disks)
		snapshot_trim(t);
	return TRUE;
}

static gboolean snapshot_take(struct snapshot *s, GError **error)
{
	if (!snapshot_connect(s, error) || !snapshot_note(s, error) ||
	    !guard_start(&s->guard, s->take.m, error))
		return FALSE;
	step(STEP_SNAPSHOT_GUARDED);
	return snapshot_prepare(s, error) && snapshot_pause(s, error) &&
	       snapshot_finish(s, error);
}

static void snapshot_take_back(struct snapshot *s)
{
	g_autoptr(GError) error = NULL;
	gboolean noted = recover_doing(s->take.m) != NULL;

	cancel_shield();
	/* The monitor may be in the middle of an answer, and serves one at a time. */
	take_clear(&s->take);
	if (!(noted ? machine_recover(s->take.m, &error) :
		      snap_discard(s->take.s, TRUE, &error)))
		vmfork_warn("%s: \"vmfork rm %s\" when that is mended", error->message,
			    s->take.s->name);
	cancel_expose();
}

static void snapshot_report(struct snapshot *s)
{
	struct take *t = &s->take;
	g_autofree char *pause = output_time(s->pause);
	JsonObject *result = t->v->result;

	json_object_set_string_member(result, "snapshot", t->s->name);
	json_object_set_string_member(result, "machine", t->m->name);
	json_object_set_string_member(result, "how", t->how);
	json_object_set_int_member(result, "pause-us", s->pause);
	json_object_set_int_member(result, "frames", t->frames);
	output_say(t->v, "%s: %s, %s for %s", t->s->name, t->how,
		   s->running ? "the machine stood still" : "the machine was paused", pause);
}

static gboolean snapshot_begin(struct snapshot *s, const char *wanted, GError **error)
{
	struct take *t = &s->take;
	g_autofree char *name = NULL;

	if (!store_lock(t->v->store, error))
		return FALSE;
	name = wanted ? g_strdup(wanted) : snap_name(t->v->store, t->m->name);
	t->s = snap_new(t->v->store, name, t->m->name, error);
	store_unlock(t->v->store);
	if (t->s)
		step(STEP_SNAPSHOT_RECORDED);
	return t->s != NULL;
}

static gboolean snapshot_do(struct snapshot *s, const char *wanted, GError **error)
{
	gboolean done;

	if (!snapshot_begin(s, wanted, error))
		return FALSE;
	done = snapshot_take(s, error);
	if (done)
		snapshot_report(s);
	else
		snapshot_take_back(s);
	guard_dismiss(&s->guard);
	take_clear(&s->take);
	snap_free(s->take.s);
	return done;
}

static gboolean snapshot_options(struct view_options *o, const char *budget,
				 const char *on_full, GError **error)
{
	if (budget && !output_parse_size(budget, &o->budget, error))
		return FALSE;
	o->on_full = on_full;
	if (!on_full || strcmp(on_full, "stop") == 0 || strcmp(on_full, "drop") == 0)
		return TRUE;
	return vmfork_fail(error, VMFORK_USAGE, "--on-full is \"stop\" or \"drop\"");
}

gboolean verb_snapshot(struct vmfork *v, int argc, char **argv, char **rest, GError **error)
{
	g_autofree char *budget = NULL, *on_full = NULL, *monitor = NULL;
	const GOptionEntry entries[] = {
		{ "budget", 0, 0, G_OPTION_ARG_STRING, &budget, "Room for old memory", "SIZE" },
		{ "on-full", 0, 0, G_OPTION_ARG_STRING, &on_full,
		  "When it is used up: stop the machine, or drop the snapshot", "stop|drop" },
		{ NULL }
	};
	struct snapshot s = { .take.v = v };
	g_autoptr(machine_ref) m = NULL;

	(void)rest;
	take_init(&s.take);
	if (!vmfork_parse(v, entries, &argc, &argv, 1, 2, error) ||
	    !snapshot_options(&s.take.options, budget, on_full, error))
		return FALSE;
	m = s.take.m = recover_open(v->store, argv[1], error);
	if (!m)
		return FALSE;
	s.take.options.monitor = monitor = g_build_filename(m->dir, "run/view.sock", NULL);
	return snapshot_do(&s, argc > 2 ? argv[2] : NULL, error);
}
