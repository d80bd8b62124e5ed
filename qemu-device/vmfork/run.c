/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork run NAME [OPTIONS] -- QEMU OPTIONS */
#include <string.h>
#include "adopt.h"
#include "args.h"
#include "clone.h"
#include "disk.h"
#include "launch.h"
#include "output.h"
#include "probe.h"
#include "recover.h"
#include "steps.h"

struct run {
	char *qemu, *memory, **disks;
	int cpus;
	gboolean no_view;
	gint64 bytes;
	JsonObject *probed;	/* members of the record */
};

static JsonArray *run_strings(char **strings)
{
	JsonArray *array = json_array_new();

	for (; strings && *strings; strings++)
		json_array_add_string_element(array, *strings);
	return array;
}

/* A GUID and the place of the kernel's notes, where the machine can have them. */
static void run_devices(JsonObject *record, const char *qemu)
{
	g_autofree char *vmgenid = probe_device(qemu, "vmgenid");
	g_autofree char *vmcoreinfo = probe_device(qemu, "vmcoreinfo");
	JsonArray *devices = json_array_new();

	if (vmgenid)
		json_array_add_string_element(devices, "vmgenid");
	if (vmcoreinfo)
		json_array_add_string_element(devices, "vmcoreinfo");
	json_object_set_array_member(record, "devices", devices);
	json_object_set_boolean_member(record, "generation-counter",
				       vmgenid && strstr(vmgenid, "generation=") != NULL);
}

static gboolean run_probe(struct run *r, GError **error)
{
	g_autofree char *qemu = probe_program(r->qemu, error);
	g_autofree char *version = qemu ? probe_version(qemu, error) : NULL;

	if (!version)
		return FALSE;
	r->probed = json_object_new();
	json_object_set_string_member(r->probed, "qemu", qemu);
	json_object_set_string_member(r->probed, "qemu-version", version);
	run_devices(r->probed, qemu);
	return TRUE;
}

static void run_fill(struct run *r, JsonObject *record, char **options)
{
	GList *members = json_object_get_members(r->probed);

	for (GList *at = members; at; at = at->next)
		json_object_set_member(record, at->data, json_node_copy(
				       json_object_get_member(r->probed, at->data)));
	g_list_free(members);
	json_object_set_int_member(record, "memory", r->bytes);
	json_object_set_int_member(record, "cpus", r->cpus);
	json_object_set_boolean_member(record, "no-view", r->no_view);
	json_object_set_array_member(record, "options", run_strings(options));
}

static struct machine *run_record(struct vmfork *v, struct run *r, const char *name,
				  char **options, GError **error)
{
	struct machine *m;

	if (!store_lock(v->store, error))
		return NULL;
	m = clone_new(v->store, name, error);
	if (m) {
		run_fill(r, m->record, options);
		if (!machine_note(m, error)) {
			clone_discard(m);
			g_clear_pointer(&m, machine_free);
		}
	}
	store_unlock(v->store);
	if (m)
		step(STEP_RUN_RECORDED);
	return m;
}

/* "vhost:IMAGE": faster, and the machine cannot be snapshot. */
static gboolean run_disk(struct machine *m, const char *owner, guint i, const char *spec,
			 JsonObject **disk, GError **error)
{
	if (g_str_has_prefix(spec, "vhost:"))
		return disk_attach_vhost(m->store, owner, i, spec + strlen("vhost:"), disk,
					 error);
	return disk_attach(m->store, owner, i, spec, disk, error);
}

static gboolean run_disks(struct machine *m, char **specs, GError **error)
{
	JsonObject *run = machine_run(m, "run"), *disk = NULL;
	g_autofree char *owner = adopt_owner(m, run);
	JsonArray *disks = json_array_new();

	if (specs && *specs)
		json_object_set_array_member(run, "disks", disks);
	else
		json_array_unref(disks);
	for (guint i = 0; specs && specs[i]; i++) {
		if (!run_disk(m, owner, i, specs[i], &disk, error))
			return FALSE;
		json_array_add_object_element(disks, disk);
	}
	step(STEP_RUN_DISKS);
	return TRUE;
}

static gboolean run_start(struct machine *m, struct run *r, GError **error)
{
	gboolean paused = args_paused(json_object_get_array_member(m->record, "options"));
	g_autoptr(qmp_client) qmp = NULL;

	if (!run_disks(m, r->disks, error))
		return FALSE;
	qmp = launch_start(m, "run", error);
	if (!qmp || !clone_ready(m, qmp, !paused, error))
		return FALSE;
	step(STEP_RUN_READY);
	return TRUE;
}

static gboolean run_machine(struct vmfork *v, struct run *r, const char *name, char **options,
			    GError **error)
{
	g_autoptr(machine_ref) m = run_record(v, r, name, options, error);

	if (!m)
		return FALSE;
	if (!run_start(m, r, error)) {
		clone_discard(m);
		return FALSE;
	}
	json_object_unref(v->result);
	v->result = clone_report(m);
	output_say(v, "%s: running", name);
	return TRUE;
}

static gboolean run_check(struct run *r, const char *name, char **options, GError **error)
{
	if (!store_name(name, error) || !output_parse_size(r->memory ?: "256M", &r->bytes, error))
		return FALSE;
	if (r->bytes % (1 << 20) != 0)
		return vmfork_fail(error, VMFORK_USAGE, "--memory is a multiple of 1M");
	if (r->cpus < 1)
		return vmfork_fail(error, VMFORK_USAGE, "--cpus is 1 or more");
	return args_check(options, error) && run_probe(r, error);
}

static void run_clear(struct run *r)
{
	g_free(r->qemu);
	g_free(r->memory);
	g_strfreev(r->disks);
	g_clear_pointer(&r->probed, json_object_unref);
}

gboolean verb_run(struct vmfork *v, int argc, char **argv, char **rest, GError **error)
{
	struct run r = { .cpus = 1 };
	const GOptionEntry entries[] = {
		{ "memory", 0, 0, G_OPTION_ARG_STRING, &r.memory, "Its memory [256M]", "SIZE" },
		{ "cpus", 0, 0, G_OPTION_ARG_INT, &r.cpus, "Its processors [1]", "N" },
		{ "disk", 0, 0, G_OPTION_ARG_STRING_ARRAY, &r.disks, "A disk; may be repeated",
		  "[vhost:]IMAGE|nbd:URI" },
		{ "qemu", 0, 0, G_OPTION_ARG_STRING, &r.qemu, "QEMU [qemu-system-x86_64]",
		  "PROGRAM" },
		{ "no-view", 0, 0, G_OPTION_ARG_NONE, &r.no_view,
		  "Copy the memory at a snapshot, and write-protect nothing", NULL },
		{ NULL }
	};
	gboolean done = vmfork_parse(v, entries, &argc, &argv, 1, 1, error) &&
			run_check(&r, argv[1], rest, error) &&
			run_machine(v, &r, argv[1], rest, error);

	run_clear(&r);
	return done;
}
