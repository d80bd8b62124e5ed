/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork load DIR NAME */
#include <stdlib.h>
#include "adopt.h"
#include "clone.h"
#include "launch.h"
#include "meta.h"
#include "output.h"
#include "recover.h"
#include "saved.h"
#include "steps.h"

static void load_fill(struct machine *m, const char *dir, JsonObject *meta)
{
	JsonObject *run = machine_run(m, "run");
	g_autofree char *ram = g_build_filename(dir, "ram", NULL);
	g_autofree char *state = g_build_filename(dir, "state", NULL);

	meta_inherit(m->record, meta);
	json_object_set_string_member(run, "ram", ram);
	json_object_set_string_member(run, "state", state);
}

static struct machine *load_record(struct vmfork *v, const char *dir, JsonObject *meta,
				   const char *name, GError **error)
{
	struct machine *m;

	if (!store_lock(v->store, error))
		return NULL;
	m = clone_new(v->store, name, error);
	if (m) {
		load_fill(m, dir, meta);
		if (!machine_note(m, error)) {
			clone_discard(m);
			g_clear_pointer(&m, machine_free);
		}
	}
	store_unlock(v->store);
	if (m)
		step(STEP_FORK_RECORDED);
	return m;
}

static gboolean load_disks(struct machine *m, const char *dir, guint n, GError **error)
{
	JsonObject *run = machine_run(m, "run");
	g_autofree char *owner = adopt_owner(m, run);
	JsonArray *disks;

	if (n == 0)
		return TRUE;
	disks = json_array_new();
	json_object_set_array_member(run, "disks", disks);
	if (!adopt_disks(m->store, dir, n, owner, disks, error))
		return FALSE;
	step(STEP_FORK_DISKS);
	return TRUE;
}

static gboolean load_start(struct machine *m, const char *dir, JsonObject *meta,
			   GError **error)
{
	g_autoptr(qmp_client) qmp = NULL;

	if (!load_disks(m, dir, json_array_get_length(json_object_get_array_member(meta,
						      "disks")), error))
		return FALSE;
	qmp = launch_start(m, "run", error);
	if (!qmp)
		return FALSE;
	step(STEP_FORK_LOADED);
	if (!clone_ready(m, qmp, TRUE, error))
		return FALSE;
	step(STEP_FORK_RUNNING);
	return TRUE;
}

static gboolean load_do(struct vmfork *v, const char *dir, const char *name, GError **error)
{
	g_autoptr(JsonObject) meta = saved_open(dir, error);
	g_autoptr(machine_ref) m = meta ? load_record(v, dir, meta, name, error) : NULL;

	if (!m)
		return FALSE;
	if (!load_start(m, dir, meta, error)) {
		clone_discard(m);
		return FALSE;
	}
	json_object_unref(v->result);
	v->result = clone_report(m);
	output_say(v, "%s: running", name);
	return TRUE;
}

gboolean verb_load(struct vmfork *v, int argc, char **argv, char **rest, GError **error)
{
	g_autofree char *dir = NULL;

	(void)rest;
	if (!vmfork_parse(v, NULL, &argc, &argv, 2, 2, error))
		return FALSE;
	dir = realpath(argv[1], NULL);
	if (!dir)
		return vmfork_fail(error, VMFORK_MISSING, "there is no folder %s", argv[1]);
	return load_do(v, dir, argv[2], error);
}
