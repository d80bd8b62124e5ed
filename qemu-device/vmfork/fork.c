/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork fork SNAP [--count N] [--name NAME] */
#include <unistd.h>
#include "cancel.h"
#include "adopt.h"
#include "clone.h"
#include "disk.h"
#include "launch.h"
#include "meta.h"
#include "output.h"
#include "progress.h"
#include "recover.h"
#include "steps.h"

#define FORK_MOST 1000

struct fork {
	struct vmfork *v;
	struct snap *s;
	struct machine *clones[FORK_MOST];
	gint64 began[FORK_MOST];	/* when QEMU was executed, monotonic */
	int count, recorded, spawned, ready;
	gboolean named;
};

/* The name itself for the one clone that was given one, else the first that are free. */
static char *fork_name(struct fork *f, const char *name, int *number)
{
	if (f->named)
		return g_strdup(name);
	for (;; (*number)++) {
		g_autofree char *candidate = g_strdup_printf("%s-%d", name, *number);
		g_autofree char *machine = store_path(f->v->store, "machines", candidate, NULL);

		if (g_file_test(machine, G_FILE_TEST_EXISTS))
			continue;
		(*number)++;
		return g_steal_pointer(&candidate);
	}
}

static gboolean fork_record_one(struct fork *f, const char *name, GError **error)
{
	struct machine *m = clone_new(f->v->store, name, error);

	if (!m)
		return FALSE;
	f->clones[f->recorded++] = m;
	meta_inherit(m->record, f->s->meta);
	clone_source(machine_run(m, "run"), f->s);
	return machine_note(m, error);
}

/* All names at once, so that from here on the snapshot has users. */
static gboolean fork_record(struct fork *f, const char *snap, const char *name, GError **error)
{
	int number = 1;

	if (!store_lock(f->v->store, error))
		return FALSE;
	f->s = snap_use(f->v->store, snap, error);
	while (f->s && f->recorded < f->count) {
		g_autofree char *clone = fork_name(f, name, &number);

		if (!fork_record_one(f, clone, error))
			break;
	}
	store_unlock(f->v->store);
	if (!f->s || f->recorded < f->count || (error && *error))
		return FALSE;
	step(STEP_FORK_RECORDED);
	return TRUE;
}

static gboolean fork_disks(struct fork *f, struct machine *m, GError **error)
{
	JsonArray *wanted = json_object_get_array_member(f->s->meta, "disks"), *disks;
	JsonObject *run = machine_run(m, "run");
	g_autofree char *owner = adopt_owner(m, run);

	if (json_array_get_length(wanted) == 0)
		return TRUE;
	if (!disk_clone(f->v->store, f->s->name, owner, &disks, error))
		return FALSE;
	json_object_set_array_member(run, "disks", disks);
	step(STEP_FORK_DISKS);
	return TRUE;
}

static gboolean fork_spawn(struct fork *f, GError **error)
{
	struct machine *m = f->clones[f->spawned];

	if (!fork_disks(f, m, error))
		return FALSE;
	f->began[f->spawned] = g_get_monotonic_time();
	if (!launch_spawn(m, "run", error))
		return FALSE;
	f->spawned++;
	return TRUE;
}

static void fork_report(struct fork *f, struct machine *m, gint64 us)
{
	JsonObject *report = clone_report(m);
	g_autofree char *time = output_time(us);

	json_object_set_int_member(report, "us", us);
	json_array_add_object_element(json_object_get_array_member(f->v->result, "clones"),
				      report);
	output_say(f->v, "%s: running after %s", m->name, time);
}

static gboolean fork_finish(struct fork *f, GError **error)
{
	struct machine *m = f->clones[f->ready];
	g_autoptr(qmp_client) qmp = launch_connect(m, "run", error);

	if (!qmp)
		return FALSE;
	step(STEP_FORK_LOADED);
	if (!clone_ready(m, qmp, TRUE, error))
		return FALSE;
	step(STEP_FORK_RUNNING);
	fork_report(f, m, g_get_monotonic_time() - f->began[f->ready]);
	f->ready++;
	return TRUE;
}

/* So many start at once as keep the processors busy. */
static int fork_window(void)
{
	return CLAMP(2 * (int)g_get_num_processors(), 4, 16);
}

static gboolean fork_start(struct fork *f, GError **error)
{
	struct progress progress;
	gboolean done = TRUE;

	progress_begin(&progress, f->v, "starting clones");
	while (done && f->ready < f->count) {
		while (done && f->spawned < MIN(f->count, f->ready + fork_window()))
			done = fork_spawn(f, error);
		done = done && fork_finish(f, error);
		if (f->count > 1)
			progress_at(&progress, f->ready, f->count);
	}
	progress_end(&progress);
	return done;
}

static void fork_end(struct fork *f, gboolean done)
{
	for (int i = 0; i < f->recorded; i++) {
		if (!done)
			clone_discard(f->clones[i]);
		machine_free(f->clones[i]);
	}
	snap_free(f->s);
}

static gboolean fork_check(struct fork *f, const char *name, GError **error)
{
	f->named = name && f->count == 0;
	if (f->count == 0)
		f->count = 1;
	if (f->count < 0 || f->count > FORK_MOST)
		return vmfork_fail(error, VMFORK_USAGE, "--count is 1 to %d", FORK_MOST);
	return !name || store_name(name, error);
}

gboolean verb_fork(struct vmfork *v, int argc, char **argv, char **rest, GError **error)
{
	g_autofree struct fork *f = g_new0(struct fork, 1);
	g_autofree char *name = NULL;
	const GOptionEntry entries[] = {
		{ "count", 0, 0, G_OPTION_ARG_INT, &f->count,
		  "How many; they are NAME-1, NAME-2 ...", "N" },
		{ "name", 0, 0, G_OPTION_ARG_STRING, &name,
		  "The name of one, or what those of several begin with [SNAP]", "NAME" },
		{ NULL }
	};
	gboolean done;

	(void)rest;
	f->v = v;
	if (!vmfork_parse(v, entries, &argc, &argv, 1, 1, error) ||
	    !fork_check(f, name, error))
		return FALSE;
	json_object_set_array_member(v->result, "clones", json_array_new());
	done = fork_record(f, argv[1], name ?: argv[1], error) && fork_start(f, error);
	if (!done)
		json_object_remove_member(v->result, "clones");
	fork_end(f, done);
	return done;
}
