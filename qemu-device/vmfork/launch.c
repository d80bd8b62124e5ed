/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "args.h"
#include "cancel.h"
#include "disk.h"
#include "launch.h"
#include "process.h"
#include "steps.h"

#define LAUNCH_LOAD (600 * G_USEC_PER_SEC)
#define LAUNCH_TAIL 600

JsonObject *launch_plan(struct machine *m)
{
	JsonObject *run = json_object_new();
	JsonObject *last = machine_run(m, "run");
	g_autofree char *guid = g_uuid_string_random();

	json_object_set_int_member(run, "number", last ?
				   json_object_get_int_member(last, "number") + 1 : 1);
	json_object_set_string_member(run, "guid", guid);
	return run;
}

/* What QEMU said last, for the message about its end. */
static char *launch_tail(struct machine *m, JsonObject *run)
{
	g_autofree char *path = machine_path(m, run, "log"), *text = NULL;
	gsize size;

	if (!g_file_get_contents(path, &text, &size, NULL))
		return g_strdup("");
	g_strchomp(text);
	size = strlen(text);
	return g_strdup(size > LAUNCH_TAIL ? text + size - LAUNCH_TAIL : text);
}

static void launch_explain(struct machine *m, JsonObject *run, GError **error)
{
	g_autofree char *tail = NULL;

	if (!error || !*error || (*error)->code == G_IO_ERROR_CANCELLED)
		return;
	tail = launch_tail(m, run);
	if (*tail)
		g_prefix_error(error, "QEMU of %s did not start (it said: %s): ", m->name, tail);
}

/* QEMU takes a socket that is bound and listens: whoever connects is never too early. */
static int launch_listen(const char *path, GError **error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(fd, 8) == 0)
		return fd;
	vmfork_fail_errno(error, "cannot listen at %s", path);
	if (fd >= 0)
		close(fd);
	return -1;
}

static int launch_memory(JsonObject *record, GError **error)
{
	int fd = memfd_create("vmfork", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, json_object_get_int_member(record, "memory")) == 0)
		return fd;
	vmfork_fail_errno(error, "cannot make the machine's memory");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* What QEMU inherits; the memory comes last, for not every process has one. */
struct launch {
	struct process_fd fds[3];
	size_t n;
};

static void launch_close(struct launch *l)
{
	for (size_t i = 0; i < l->n; i++)
		close(l->fds[i].from);
}

static gboolean launch_add(struct launch *l, int fd, int to)
{
	if (fd < 0)
		return FALSE;
	l->fds[l->n++] = (struct process_fd){ fd, to };
	return TRUE;
}

static gboolean launch_open(struct machine *m, JsonObject *run, struct launch *l,
			    GError **error)
{
	g_autofree char *qmp = machine_path(m, run, "qmp.sock");
	g_autofree char *view = machine_path(m, run, "view.sock");

	if (launch_add(l, launch_listen(qmp, error), ARGS_QMP) &&
	    launch_add(l, launch_listen(view, error), ARGS_VIEW) &&
	    (machine_string(run, "ram") ||
	     launch_add(l, launch_memory(m->record, error), ARGS_MEMORY)))
		return TRUE;
	launch_close(l);
	return FALSE;
}

static GPtrArray *launch_disks(struct machine *m, JsonObject *run)
{
	GPtrArray *args = g_ptr_array_new_with_free_func(g_free);
	JsonArray *disks = machine_disks(run);
	JsonObject *disk;

	for (guint i = 0; disks && i < json_array_get_length(disks); i++) {
		disk = json_array_get_object_element(disks, i);
		g_ptr_array_add(args, disk_blockdev(m->store, disk) ?:
				      disk_chardev(m->store, disk));
	}
	return args;
}

static gboolean launch_execute(struct machine *m, JsonObject *run, struct process *p,
			       GError **error)
{
	if (!process_prepare(p, error))
		return FALSE;
	step(STEP_LAUNCH_FORKED);
	json_object_set_object_member(run, "process", process_record(p->pid));
	if (!machine_note(m, error)) {
		process_abandon(p);
		return FALSE;
	}
	step(STEP_LAUNCH_NOTED);
	return process_go(p, error);
}

gboolean launch_spawn(struct machine *m, const char *which, GError **error)
{
	JsonObject *run = machine_run(m, which);
	g_autofree char *dir = machine_path(m, run, ""), *log = machine_path(m, run, "log");
	g_autoptr(GPtrArray) disks = launch_disks(m, run);
	g_auto(GStrv) args = NULL;
	struct launch l = { .n = 0 };
	struct process p = { .log = log };
	gboolean done;

	if (mkdir(dir, 0700) < 0)
		return vmfork_fail_errno(error, "cannot make %s", dir);
	if (!launch_open(m, run, &l, error))
		return FALSE;
	step(STEP_LAUNCH_BOUND);
	dir[strlen(dir) - 1] = '\0';
	args = args_build(m->record, run, dir, disks);
	p.argv = (const char *const *)args;
	p.fds = l.fds;
	p.n = l.n;
	done = launch_execute(m, run, &p, error);
	launch_close(&l);
	if (done)
		step(STEP_LAUNCH_EXECUTED);
	return done;
}

/* --- the state --------------------------------------------------------------------- */

static void launch_capability(JsonArray *list, const char *name)
{
	JsonObject *capability = json_object_new();

	json_object_set_string_member(capability, "capability", name);
	json_object_set_boolean_member(capability, "state", TRUE);
	json_array_add_object_element(list, capability);
}

gboolean launch_capabilities(struct qmp *qmp, GError **error)
{
	JsonObject *arguments = json_object_new();
	JsonArray *list = json_array_new();

	launch_capability(list, "events");
	launch_capability(list, "x-ignore-shared");
	json_object_set_array_member(arguments, "capabilities", list);
	return qmp_do(qmp, "migrate-set-capabilities", arguments, error);
}

gboolean launch_await_migration(struct qmp *qmp, GError **error)
{
	gint64 end = g_get_monotonic_time() + LAUNCH_LOAD;

	for (;;) {
		g_autoptr(JsonObject) event = qmp_wait(qmp, "MIGRATION",
						       end - g_get_monotonic_time(), error);
		const char *status = machine_string(event, "status");

		if (!event)
			return FALSE;
		if (g_strcmp0(status, "completed") == 0)
			return TRUE;
		if (g_strcmp0(status, "failed") == 0 || g_strcmp0(status, "cancelled") == 0)
			return vmfork_fail(error, VMFORK_FAILED, "QEMU: the migration is %s",
					   status);
	}
}

static gboolean launch_load(struct qmp *qmp, const char *state, GError **error)
{
	JsonObject *arguments;

	if (!launch_capabilities(qmp, error))
		return FALSE;
	arguments = json_object_new();
	json_object_set_string_member(arguments, "uri", state);
	return qmp_do(qmp, "migrate-incoming", arguments, error) &&
	       launch_await_migration(qmp, error);
}

static gboolean launch_state(struct qmp *qmp, JsonObject *run, GError **error)
{
	g_autofree char *uri = NULL;

	if (!machine_string(run, "state"))
		return TRUE;
	uri = g_strconcat("file:", machine_string(run, "state"), NULL);
	return launch_load(qmp, uri, error);
}

struct qmp *launch_connect(struct machine *m, const char *which, GError **error)
{
	JsonObject *run = machine_run(m, which);
	struct qmp *qmp = machine_connect(m, run, error);

	if (qmp) {
		step(STEP_LAUNCH_CONNECTED);
		if (launch_state(qmp, run, error)) {
			step(STEP_LAUNCH_LOADED);
			return qmp;
		}
	}
	qmp_free(qmp);
	launch_explain(m, run, error);
	return NULL;
}

struct qmp *launch_start(struct machine *m, const char *which, GError **error)
{
	return launch_spawn(m, which, error) ? launch_connect(m, which, error) : NULL;
}
