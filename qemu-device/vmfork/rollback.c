/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork rollback NAME SNAP */
#include <string.h>
#include "cancel.h"
#include "adopt.h"
#include "clone.h"
#include "disk.h"
#include "guard.h"
#include "launch.h"
#include "output.h"
#include "recover.h"
#include "steps.h"

struct rollback {
	struct vmfork *v;
	struct machine *m;
	struct snap *s;
	struct guard guard;
};

/* What the machine is stays as it is, unless the snapshot is of another machine. */
static gboolean rollback_fits(struct rollback *r, GError **error)
{
	JsonObject *template = json_object_get_object_member(r->s->meta, "template");

	if (json_object_get_int_member(template, "memory") ==
	    json_object_get_int_member(r->m->record, "memory") &&
	    json_node_equal(json_object_get_member(template, "options"),
			    json_object_get_member(r->m->record, "options")))
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "%s is a snapshot of another kind of machine "
			   "than %s: use \"vmfork fork %s\"", r->s->name, r->m->name, r->s->name);
}

/* The generation that the machine has now, or had when it ran last. */
static gint64 rollback_generation(struct machine *m, gboolean *running)
{
	gint64 last = json_object_get_int_member_with_default(m->record, "generation", 0);
	g_autoptr(qmp_client) qmp = NULL;
	g_autofree char *status = NULL;

	*running = FALSE;
	if (!machine_alive(m))
		return last;
	qmp = machine_connect(m, machine_run(m, "run"), NULL);
	status = qmp ? machine_status(qmp, NULL) : NULL;
	*running = g_strcmp0(status, "running") == 0;
	return qmp ? MAX(last, machine_generation(qmp)) : last;
}

static JsonObject *rollback_plan(struct rollback *r, gboolean *running)
{
	gint64 generation = rollback_generation(r->m, running);
	JsonObject *next = launch_plan(r->m);

	clone_source(next, r->s);
	if (json_object_get_boolean_member_with_default(r->m->record, "generation-counter",
							FALSE))
		json_object_set_int_member(next, "generation-floor", generation + 1);
	return next;
}

static gboolean rollback_note(struct rollback *r, GError **error)
{
	gboolean running;
	JsonObject *next = rollback_plan(r, &running);
	JsonObject *doing = recover_begin(r->m, "rollback");

	json_object_set_boolean_member(doing, "running", running);
	json_object_set_object_member(r->m->record, "next", next);
	return machine_note(r->m, error);
}

static gboolean rollback_record(struct rollback *r, const char *snap, GError **error)
{
	gboolean done;

	if (!store_lock(r->v->store, error))
		return FALSE;
	r->s = snap_use(r->v->store, snap, error);
	done = r->s && rollback_fits(r, error) && rollback_note(r, error);
	store_unlock(r->v->store);
	if (done)
		step(STEP_ROLLBACK_NOTED);
	return done;
}

static gboolean rollback_disks(struct rollback *r, GError **error)
{
	JsonArray *wanted = json_object_get_array_member(r->s->meta, "disks"), *disks;
	JsonObject *next = machine_run(r->m, "next");
	g_autofree char *owner = adopt_owner(r->m, next);

	if (json_array_get_length(wanted) == 0)
		return TRUE;
	if (!disk_clone(r->v->store, r->s->name, owner, &disks, error))
		return FALSE;
	json_object_set_array_member(next, "disks", disks);
	step(STEP_ROLLBACK_DISKS);
	return TRUE;
}

/* From here on there is no way back: the old process ends, the new one runs. */
static gboolean rollback_commit(struct rollback *r, GError **error)
{
	if (!cancel_check(error))
		return FALSE;
	json_object_set_boolean_member(recover_doing(r->m), "committed", TRUE);
	if (!machine_note(r->m, error))
		return FALSE;
	step(STEP_ROLLBACK_COMMITTED);
	return TRUE;
}

static gboolean rollback_switch(struct rollback *r, struct qmp *qmp, GError **error)
{
	gboolean done;

	if (!rollback_commit(r, error))
		return FALSE;
	cancel_shield();
	done = recover_takeover(r->m, error) && clone_ready(r->m, qmp, TRUE, error) &&
	       recover_drop_old(r->m, error);
	cancel_expose();
	if (done)
		step(STEP_ROLLBACK_RUNNING);
	return done;
}

static gboolean rollback_start(struct rollback *r, GError **error)
{
	g_autoptr(qmp_client) qmp = NULL;

	if (!guard_start(&r->guard, r->m, error))
		return FALSE;
	step(STEP_ROLLBACK_GUARDED);
	if (!rollback_disks(r, error))
		return FALSE;
	qmp = launch_start(r->m, "next", error);
	if (!qmp)
		return FALSE;
	step(STEP_ROLLBACK_LOADED);
	return rollback_switch(r, qmp, error);
}

static void rollback_take_back(struct rollback *r)
{
	g_autoptr(GError) error = NULL;

	if (!machine_recover(r->m, &error))
		vmfork_warn("%s", error->message);
}

static void rollback_report(struct rollback *r, gint64 us)
{
	g_autofree char *time = output_time(us);

	json_object_unref(r->v->result);
	r->v->result = clone_report(r->m);
	json_object_set_int_member(r->v->result, "us", us);
	output_say(r->v, "%s: runs from %s after %s", r->m->name, r->s->name, time);
}

gboolean verb_rollback(struct vmfork *v, int argc, char **argv, char **rest, GError **error)
{
	struct rollback r = { .v = v };
	gint64 began = g_get_monotonic_time();
	gboolean done;

	(void)rest;
	if (!vmfork_parse(v, NULL, &argc, &argv, 2, 2, error))
		return FALSE;
	r.m = recover_open(v->store, argv[1], error);
	if (!r.m)
		return FALSE;
	done = rollback_record(&r, argv[2], error) && rollback_start(&r, error);
	if (done)
		rollback_report(&r, g_get_monotonic_time() - began);
	else
		rollback_take_back(&r);
	guard_dismiss(&r.guard);
	snap_free(r.s);
	machine_free(r.m);
	return done;
}
