/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include "args.h"
#include "cancel.h"
#include "lock.h"
#include "machine.h"
#include "process.h"

#define MACHINE_QUIT (10 * G_USEC_PER_SEC)

static struct machine *machine_alloc(struct store *store, const char *name)
{
	struct machine *m = g_new0(struct machine, 1);

	m->store = store;
	m->name = g_strdup(name);
	m->dir = store_path(store, "machines", name, NULL);
	m->lock = -1;
	return m;
}

void machine_free(struct machine *m)
{
	if (!m)
		return;
	if (m->lock >= 0)
		close(m->lock);
	g_clear_pointer(&m->record, json_object_unref);
	g_free(m->name);
	g_free(m->dir);
	g_free(m);
}

/* The longest of the sockets' paths must fit in a socket's address. */
static gboolean machine_fits(struct machine *m, GError **error)
{
	size_t longest = strlen(m->dir) + strlen("/run.1000000/view.sock");

	if (longest < sizeof(((struct sockaddr_un *)0)->sun_path))
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "the sockets in %s would have paths of more "
			   "than 107 bytes: use a shorter name, or a shorter folder with --dir "
			   "or VMFORK_DIR", m->dir);
}

static gboolean machine_is_free(struct machine *m, GError **error)
{
	g_autofree char *snap = store_path(m->store, "snapshots", m->name, NULL);

	if (g_file_test(m->dir, G_FILE_TEST_EXISTS))
		return vmfork_fail(error, VMFORK_REFUSED, "there is a machine %s already: use "
				   "another name, or \"vmfork rm %s\"", m->name, m->name);
	if (g_file_test(snap, G_FILE_TEST_EXISTS))
		return vmfork_fail(error, VMFORK_REFUSED, "there is a snapshot %s already: use "
				   "another name", m->name);
	return TRUE;
}

/* Paths that stay the same from one process of the machine to the next. */
static gboolean machine_links(struct machine *m, GError **error)
{
	static const char *const links[] = { "qmp.sock", "view.sock", "log" };

	for (size_t i = 0; i < G_N_ELEMENTS(links); i++) {
		g_autofree char *link = g_build_filename(m->dir, links[i], NULL);
		g_autofree char *to = g_build_filename("run", links[i], NULL);

		if (symlink(to, link) < 0)
			return vmfork_fail_errno(error, "cannot make %s", link);
	}
	return TRUE;
}

static gboolean machine_lock(struct machine *m, GError **error)
{
	g_autofree char *path = g_build_filename(m->dir, "lock", NULL);
	g_autofree char *what = g_strconcat("machine ", m->name, NULL);

	m->lock = lock_take(path, what, LOCK_PATIENCE, error);
	return m->lock >= 0;
}

static gboolean machine_make(struct machine *m, GError **error)
{
	if (!machine_fits(m, error) || !machine_is_free(m, error))
		return FALSE;
	if (mkdir(m->dir, 0700) < 0)
		return vmfork_fail_errno(error, "cannot make %s", m->dir);
	return machine_lock(m, error) && machine_links(m, error);
}

struct machine *machine_new(struct store *store, const char *name, GError **error)
{
	struct machine *m;

	if (!store_name(name, error))
		return NULL;
	m = machine_alloc(store, name);
	m->record = json_object_new();
	if (machine_make(m, error)) {
		json_object_set_int_member(m->record, "version", 1);
		json_object_set_string_member(m->record, "name", name);
		return m;
	}
	machine_free(m);
	return NULL;
}

static gboolean machine_version(JsonObject *record, const char *path, GError **error)
{
	if (json_object_get_int_member_with_default(record, "version", 0) == 1)
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "%s is of another version of vmfork: use that "
			   "one", path);
}

/* A command that died before it could write the record leaves an empty one. */
static gboolean machine_read(struct machine *m, GError **error)
{
	g_autofree char *path = g_build_filename(m->dir, "machine.json", NULL);

	g_clear_pointer(&m->record, json_object_unref);
	if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
		m->record = json_object_new();
		return TRUE;
	}
	m->record = store_read(path, error);
	return m->record && machine_version(m->record, path, error);
}

struct machine *machine_open(struct store *store, const char *name, GError **error)
{
	struct machine *m;

	if (!store_name(name, error))
		return NULL;
	m = machine_alloc(store, name);
	if (!g_file_test(m->dir, G_FILE_TEST_IS_DIR))
		vmfork_fail(error, VMFORK_MISSING, "there is no machine %s: \"vmfork ls\" shows "
			    "what there is", name);
	else if (machine_read(m, error))
		return m;
	machine_free(m);
	return NULL;
}

gboolean machine_take(struct machine *m, GError **error)
{
	if (!machine_lock(m, error))
		return FALSE;
	return machine_read(m, error);
}

gboolean machine_note(struct machine *m, GError **error)
{
	g_autofree char *path = g_build_filename(m->dir, "machine.json", NULL);

	return store_note(path, m->record, error);
}

JsonObject *machine_run(struct machine *m, const char *which)
{
	JsonNode *node = json_object_get_member(m->record, which);

	return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

const char *machine_string(JsonObject *object, const char *name)
{
	return object ? json_object_get_string_member_with_default(object, name, NULL) : NULL;
}

char *machine_path(struct machine *m, JsonObject *run, const char *file)
{
	return g_strdup_printf("%s/run.%" G_GINT64_FORMAT "/%s", m->dir,
			       json_object_get_int_member(run, "number"), file);
}

static JsonObject *machine_process(JsonObject *run)
{
	if (!run || !json_object_has_member(run, "process"))
		return NULL;
	return json_object_get_object_member(run, "process");
}

gboolean machine_alive(struct machine *m)
{
	return process_alive(machine_process(machine_run(m, "run")));
}

JsonArray *machine_disks(JsonObject *run)
{
	if (!run || !json_object_has_member(run, "disks"))
		return NULL;
	return json_object_get_array_member(run, "disks");
}

int machine_memory(JsonObject *run, GError **error)
{
	JsonObject *process = machine_process(run);
	g_autofree char *path = NULL;
	int fd;

	path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/fd/%d", process ?
			       json_object_get_int_member(process, "pid") : 0, ARGS_MEMORY);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		vmfork_fail_errno(error, "cannot open the machine's memory (%s)", path);
	return fd;
}

/* --- QMP ----------------------------------------------------------------------- */

struct qmp *machine_connect(struct machine *m, JsonObject *run, GError **error)
{
	g_autofree char *path = NULL;

	if (!process_alive(machine_process(run))) {
		vmfork_fail(error, VMFORK_REFUSED, "the machine %s does not run any more: "
			    "\"vmfork rollback\" starts it from a snapshot, \"vmfork rm\" "
			    "removes it", m->name);
		return NULL;
	}
	path = machine_path(m, run, "qmp.sock");
	return qmp_open(path, error);
}

char *machine_status(struct qmp *qmp, GError **error)
{
	g_autoptr(JsonObject) status = qmp_ask(qmp, "query-status", NULL, error);

	if (!status)
		return NULL;
	return g_strdup(machine_string(status, "status") ?: "unknown");
}

gboolean machine_cont(struct qmp *qmp, GError **error)
{
	g_autofree char *status = NULL;

	if (!qmp_do(qmp, "cont", NULL, error))
		return FALSE;
	status = machine_status(qmp, error);
	if (!status)
		return FALSE;
	if (strcmp(status, "running") == 0)
		return TRUE;
	return vmfork_fail(error, VMFORK_FAILED, "the machine does not run on: its state is %s",
			   status);
}

gint64 machine_generation(struct qmp *qmp)
{
	g_autoptr(JsonObject) answer = qmp_ask(qmp, "query-vm-generation-id", NULL, NULL);

	if (!answer)
		return -1;
	return json_object_get_int_member_with_default(answer, "generation", -1);
}

static void machine_quit(struct machine *m, JsonObject *run)
{
	g_autofree char *path = machine_path(m, run, "qmp.sock");
	g_autoptr(qmp_client) qmp = NULL;
	JsonObject *process = machine_process(run);

	/* It could not answer: it would be waited for in vain. */
	if (process_state(process) == 'T')
		return;
	qmp = qmp_open_within(path, MACHINE_QUIT, NULL);
	if (qmp && qmp_do(qmp, "quit", NULL, NULL))
		process_await_end(process, MACHINE_QUIT, NULL);
}

gboolean machine_end(struct machine *m, JsonObject *run, GError **error)
{
	JsonObject *process = machine_process(run);

	if (!process_alive(process))
		return TRUE;
	machine_quit(m, run);
	if (process_end(process, error))
		return TRUE;
	g_prefix_error(error, "QEMU of %s: ", m->name);
	return FALSE;
}

/* --- changes --------------------------------------------------------------------- */

static gboolean machine_link(struct machine *m, JsonObject *run, GError **error)
{
	g_autofree char *link = g_build_filename(m->dir, "run", NULL);
	g_autofree char *new = g_build_filename(m->dir, "run.new", NULL);
	g_autofree char *to = g_strdup_printf("run.%" G_GINT64_FORMAT,
					      json_object_get_int_member(run, "number"));

	g_unlink(new);
	if (symlink(to, new) == 0 && g_rename(new, link) == 0)
		return TRUE;
	return vmfork_fail_errno(error, "cannot make %s", link);
}

gboolean machine_enter(struct machine *m, JsonObject *run, GError **error)
{
	json_object_ref(run);
	json_object_remove_member(m->record, "next");
	json_object_set_object_member(m->record, "run", run);
	return machine_link(m, run, error) && machine_note(m, error);
}

gboolean machine_remove(struct machine *m, GError **error)
{
	static const char *const runs[] = { "run", "next" };

	for (size_t i = 0; i < G_N_ELEMENTS(runs); i++)
		if (machine_run(m, runs[i]) && !machine_end(m, machine_run(m, runs[i]), error))
			return FALSE;
	return store_remove(m->dir, error);
}
