/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include "cancel.h"
#include "store.h"
#include "view.h"

#define VIEW_LONGEST 65536
#define VIEW_CLOSE (5 * G_USEC_PER_SEC)

/* Beside this program in a build folder, else where "make install" puts it. */
char *view_program(GError **error)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL), *dir = NULL;
	g_autofree char *beside = NULL;

	dir = g_path_get_dirname(self ?: "");
	beside = g_build_filename(dir, "vmfork-view", NULL);
	if (g_file_test(beside, G_FILE_TEST_IS_EXECUTABLE))
		return g_steal_pointer(&beside);
	if (g_file_test(VMFORK_LIBEXEC "/vmfork-view", G_FILE_TEST_IS_EXECUTABLE))
		return g_strdup(VMFORK_LIBEXEC "/vmfork-view");
	vmfork_fail(error, VMFORK_REFUSED, "vmfork-view is missing: install it beside vmfork");
	return NULL;
}

static GPtrArray *view_args(const char *program, const char *dir, const char *file,
			    const struct view_options *o)
{
	GPtrArray *args = g_ptr_array_new_with_free_func(g_free);
	const char *fixed[] = { program, "--dir", dir, "--view", file };

	for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
		g_ptr_array_add(args, g_strdup(fixed[i]));
	if (o->budget) {
		g_ptr_array_add(args, g_strdup("--budget"));
		g_ptr_array_add(args, g_strdup_printf("%" G_GINT64_FORMAT, o->budget));
	}
	if (o->on_full) {
		g_ptr_array_add(args, g_strdup("--on-full"));
		g_ptr_array_add(args, g_strdup(o->on_full));
	}
	if (o->monitor) {
		g_ptr_array_add(args, g_strdup("--monitor"));
		g_ptr_array_add(args, g_strdup(o->monitor));
	}
	g_ptr_array_add(args, NULL);
	return args;
}

/* It exits once it serves; its children go on. */
static gboolean view_start(const char *dir, struct process *p, GError **error)
{
	g_autofree char *text = NULL;
	int status = process_run(p, error);

	(void)dir;
	if (status < 0)
		return FALSE;
	if (status == 0)
		return TRUE;
	g_file_get_contents(p->log, &text, NULL, NULL);
	return vmfork_fail(error, VMFORK_FAILED, "the server of the view does not start: %s",
			   text && *text ? g_strchomp(text) : "it says nothing");
}

gboolean view_serve(const char *dir, JsonObject *description, const struct process_fd *fds,
		    size_t n, const struct view_options *options, GError **error)
{
	g_autofree char *program = view_program(error), *file = NULL, *log = NULL;
	g_autoptr(GPtrArray) args = NULL;
	struct process p = { .fds = fds, .n = n };

	if (!program)
		return FALSE;
	file = g_build_filename(dir, "view.json", NULL);
	log = g_build_filename(dir, "log", NULL);
	if (!store_note(file, description, error))
		return FALSE;
	args = view_args(program, dir, file, options);
	p.argv = (const char *const *)args->pdata;
	p.log = log;
	return view_start(dir, &p, error);
}

/* --- requests ---------------------------------------------------------------------- */

static GSocket *view_connect(const char *dir, GError **error)
{
	g_autofree char *path = g_build_filename(dir, "control", NULL);
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	g_autoptr(GSocket) socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_SEQPACKET,
						 G_SOCKET_PROTOCOL_DEFAULT, error);

	if (!socket)
		return NULL;
	g_socket_set_blocking(socket, FALSE);
	if (g_socket_connect(socket, address, cancel_token(), error))
		return g_steal_pointer(&socket);
	g_prefix_error(error, "the server of the view in %s cannot be asked: ", dir);
	return NULL;
}

static gboolean view_send(GSocket *socket, const char *op, JsonObject *request, GError **error)
{
	g_autoptr(JsonObject) object = request ? request : json_object_new();
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
	g_autofree char *text = NULL;

	json_object_set_string_member(object, "op", op);
	text = json_to_string(node, FALSE);
	return g_socket_send(socket, text, strlen(text), cancel_token(), error) >= 0;
}

static JsonObject *view_parse(const char *text, gssize size, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonNode *root;

	if (!json_parser_load_from_data(parser, text, size, error))
		return NULL;
	root = json_parser_get_root(parser);
	if (root && JSON_NODE_HOLDS_OBJECT(root))
		return json_node_dup_object(root);
	vmfork_fail(error, VMFORK_FAILED, "the server of the view answers no JSON object");
	return NULL;
}

static JsonObject *view_receive(GSocket *socket, const char *op, gint64 patience,
				GError **error)
{
	g_autofree char *text = g_malloc(VIEW_LONGEST);
	gssize got;

	if (!g_socket_condition_timed_wait(socket, G_IO_IN, patience, cancel_token(), error)) {
		g_prefix_error(error, "the server of the view does not answer \"%s\": ", op);
		return NULL;
	}
	got = g_socket_receive(socket, text, VIEW_LONGEST, cancel_token(), error);
	if (got == 0)
		vmfork_fail(error, VMFORK_FAILED, "the server of the view ended at \"%s\"", op);
	return got > 0 ? view_parse(text, got, error) : NULL;
}

JsonObject *view_ask(const char *dir, const char *op, JsonObject *request, gint64 patience,
		     GError **error)
{
	g_autoptr(GSocket) socket = view_connect(dir, error);
	g_autoptr(JsonObject) reply = NULL;

	if (!socket) {
		g_clear_pointer(&request, json_object_unref);
		return NULL;
	}
	if (!view_send(socket, op, request, error))
		return NULL;
	reply = view_receive(socket, op, patience, error);
	if (!reply || !json_object_has_member(reply, "error"))
		return g_steal_pointer(&reply);
	vmfork_fail(error, VMFORK_FAILED, "the server of the view: %s",
		    json_object_get_string_member_with_default(reply, "error", "?"));
	return NULL;
}

gboolean view_do(const char *dir, const char *op, JsonObject *request, gint64 patience,
		 GError **error)
{
	g_autoptr(JsonObject) reply = view_ask(dir, op, request, patience, error);

	return reply != NULL;
}

/* --- the end --------------------------------------------------------------------- */

/* The server's processes have the command line with which it was started. */
static gboolean view_is_server(const char *pid, const char *dir)
{
	g_autofree char *path = g_strdup_printf("/proc/%s/cmdline", pid), *text = NULL;
	gsize size;
	const char *option, *end;

	if (!g_file_get_contents(path, &text, &size, NULL) || size == 0 ||
	    !g_str_has_suffix(text, "vmfork-view"))
		return FALSE;
	end = text + size;
	option = text + strlen(text) + 1;
	return option < end && strcmp(option, "--dir") == 0 &&
	       option + strlen(option) + 1 < end && strcmp(option + strlen(option) + 1, dir) == 0;
}

GPtrArray *view_processes(const char *dir)
{
	GPtrArray *found = g_ptr_array_new_with_free_func((GDestroyNotify)json_object_unref);
	GDir *proc = g_dir_open("/proc", 0, NULL);
	const char *name;

	while (proc && (name = g_dir_read_name(proc)))
		if (g_ascii_isdigit(name[0]) && view_is_server(name, dir))
			g_ptr_array_add(found, process_record(atoi(name)));
	if (proc)
		g_dir_close(proc);
	return found;
}

gint64 view_stopped(const char *dir)
{
	g_autoptr(GPtrArray) processes = view_processes(dir);

	for (guint i = 0; i < processes->len; i++)
		if (process_state(processes->pdata[i]) == 'T')
			return json_object_get_int_member(processes->pdata[i], "pid");
	return 0;
}

/* The keeper first, for it would start its worker again: it leads their session. */
static void view_kill_keeper(GPtrArray *processes)
{
	gint64 pid;

	for (guint i = 0; i < processes->len; i++) {
		pid = json_object_get_int_member(processes->pdata[i], "pid");
		if (getsid(pid) == pid)
			process_end(processes->pdata[i], NULL);
	}
}

static gboolean view_kill(const char *dir, GError **error)
{
	g_autoptr(GPtrArray) processes = view_processes(dir);

	view_kill_keeper(processes);
	g_ptr_array_unref(processes);
	processes = view_processes(dir);
	for (guint i = 0; i < processes->len; i++)
		if (!process_end(processes->pdata[i], error))
			return FALSE;
	return TRUE;
}

/* FALSE: it has a reason not to. */
static gboolean view_close(const char *dir, gboolean force, GError **error)
{
	JsonObject *request = json_object_new();
	g_autoptr(GError) why = NULL;

	json_object_set_boolean_member(request, "force", force);
	if (view_do(dir, "close", request, VIEW_CLOSE, &why) || force ||
	    why->domain != VMFORK_ERROR)
		return TRUE;
	return vmfork_fail(error, VMFORK_REFUSED, "%s; --force does not wait for that",
			   why->message);
}

gboolean view_end(const char *dir, gboolean force, GError **error)
{
	g_autoptr(GPtrArray) processes = view_processes(dir);

	if (processes->len == 0)
		return TRUE;
	if (!view_stopped(dir) && !view_close(dir, force, error))
		return FALSE;
	for (guint i = 0; i < processes->len; i++)
		process_await_end(processes->pdata[i], VIEW_CLOSE, NULL);
	return view_kill(dir, error);
}

/* mountinfo has the path as field 5, a space in it as \040 and so on. */
gboolean view_mounted(const char *dir)
{
	g_autofree char *text = NULL, *path = g_build_filename(dir, "view", NULL);
	g_auto(GStrv) lines = NULL;
	gboolean found = FALSE;

	if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
		return FALSE;
	lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line && !found; line++) {
		g_auto(GStrv) fields = g_strsplit(*line, " ", 6);
		g_autofree char *at = g_strv_length(fields) > 4 ? g_strcompress(fields[4]) : NULL;

		found = g_strcmp0(at, path) == 0;
	}
	return found;
}

static gboolean view_fusermount(const char *path, GError **error)
{
	const char *args[] = { "fusermount3", "-u", "-z", "-q", path, NULL };
	struct process p = { .argv = args };
	int status = process_run(&p, error);

	if (status > 0)
		vmfork_fail(error, VMFORK_FAILED, "cannot unmount %s: try \"fusermount3 -u -z "
			    "%s\"", path, path);
	return status == 0;
}

gboolean view_unmount(const char *dir, GError **error)
{
	g_autofree char *path = g_build_filename(dir, "view", NULL);

	while (view_mounted(dir)) {
		if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno != EPERM)
			return vmfork_fail_errno(error, "cannot unmount %s", path);
		if (!view_fusermount(path, error))
			return FALSE;
	}
	return TRUE;
}
