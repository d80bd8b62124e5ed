/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include <unistd.h>
#include <gio/gunixfdmessage.h>
#include <gio/gunixsocketaddress.h>
#include "cancel.h"
#include "qmp.h"
#include "vmfork.h"

/* QEMU's longest answer, query-qmp-schema, has 200 KB. */
#define QMP_LONGEST (16 << 20)
#define QMP_EVENTS 4096

struct qmp {
	GSocket *socket;
	char *name;
	GByteArray *in;		/* what came and is no whole line yet */
	GQueue events;		/* of JsonObject */
	gint64 patience, id;
};

void qmp_free(struct qmp *qmp)
{
	if (!qmp)
		return;
	g_clear_object(&qmp->socket);
	g_byte_array_unref(qmp->in);
	qmp_forget(qmp);
	g_free(qmp->name);
	g_free(qmp);
}

void qmp_forget(struct qmp *qmp)
{
	g_queue_clear_full(&qmp->events, (GDestroyNotify)json_object_unref);
}

void qmp_patience(struct qmp *qmp, gint64 us)
{
	qmp->patience = us;
}

static gboolean qmp_ready(struct qmp *qmp, GIOCondition condition, gint64 end, GError **error)
{
	gint64 left = MAX(end - g_get_monotonic_time(), 0);

	if (g_socket_condition_timed_wait(qmp->socket, condition, left, cancel_token(), error))
		return TRUE;
	if (error && g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
		g_clear_error(error);
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
			    "QEMU does not answer at %s: its process is stopped, its main loop "
			    "is stuck, or another client holds the monitor", qmp->name);
	}
	return FALSE;
}

/* One read; 0 is the end of the connection, which is an error here. */
static gboolean qmp_receive(struct qmp *qmp, gint64 end, GError **error)
{
	char buf[16384];
	gssize got;

	if (!qmp_ready(qmp, G_IO_IN, end, error))
		return FALSE;
	got = g_socket_receive(qmp->socket, buf, sizeof(buf), cancel_token(), error);
	if (got < 0)
		return g_prefix_error(error, "QEMU at %s: ", qmp->name), FALSE;
	if (got == 0)
		return vmfork_fail(error, VMFORK_FAILED, "QEMU has closed the connection to %s",
				   qmp->name);
	g_byte_array_append(qmp->in, (const guint8 *)buf, got);
	if (qmp->in->len > QMP_LONGEST)
		return vmfork_fail(error, VMFORK_FAILED, "QEMU says too much at once at %s",
				   qmp->name);
	return TRUE;
}

static JsonObject *qmp_parse(struct qmp *qmp, const char *line, size_t size, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonNode *root;

	if (!json_parser_load_from_data(parser, line, size, error)) {
		g_prefix_error(error, "what came from %s is no JSON: ", qmp->name);
		return NULL;
	}
	root = json_parser_get_root(parser);
	if (root && JSON_NODE_HOLDS_OBJECT(root))
		return json_object_ref(json_node_get_object(root));
	vmfork_fail(error, VMFORK_FAILED, "what came from %s is no JSON object", qmp->name);
	return NULL;
}

/* The next message.  The caller owns it. */
static JsonObject *qmp_message(struct qmp *qmp, gint64 end, GError **error)
{
	JsonObject *message;
	guint8 *eol;
	size_t size;

	while (!(eol = qmp->in->len ? memchr(qmp->in->data, '\n', qmp->in->len) : NULL))
		if (!qmp_receive(qmp, end, error))
			return NULL;
	size = eol - qmp->in->data;
	message = qmp_parse(qmp, (const char *)qmp->in->data, size, error);
	g_byte_array_remove_range(qmp->in, 0, size + 1);
	return message;
}

static gboolean qmp_keep(struct qmp *qmp, JsonObject *event, GError **error)
{
	if (g_queue_get_length(&qmp->events) >= QMP_EVENTS) {
		json_object_unref(event);
		return vmfork_fail(error, VMFORK_FAILED, "QEMU at %s sends events without end",
				   qmp->name);
	}
	g_queue_push_tail(&qmp->events, event);
	return TRUE;
}

static JsonObject *qmp_member(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static const char *qmp_string(JsonObject *object, const char *name)
{
	JsonNode *node = object ? json_object_get_member(object, name) : NULL;

	return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;
}

/* Which command an answer is of; QEMU answers a command that it cannot read without one. */
static gboolean qmp_is_ours(struct qmp *qmp, JsonObject *message)
{
	JsonNode *id = json_object_get_member(message, "id");

	return !id || (JSON_NODE_HOLDS_VALUE(id) && json_node_get_int(id) == qmp->id);
}

static JsonNode *qmp_result(struct qmp *qmp, JsonObject *message, GError **error)
{
	JsonNode *value = json_object_get_member(message, "return");
	const char *text;

	if (value)
		return json_node_copy(value);
	text = qmp_string(qmp_member(message, "error"), "desc");
	vmfork_fail(error, VMFORK_FAILED, "QEMU: %s", text ?: "an error without a description");
	(void)qmp;
	return NULL;
}

static JsonNode *qmp_answer(struct qmp *qmp, GError **error)
{
	gint64 end = g_get_monotonic_time() + qmp->patience;
	JsonObject *message;
	JsonNode *result;

	while ((message = qmp_message(qmp, end, error))) {
		if (qmp_string(message, "event")) {
			if (!qmp_keep(qmp, message, error))
				return NULL;
			continue;
		}
		if (qmp_is_ours(qmp, message)) {
			result = qmp_result(qmp, message, error);
			json_object_unref(message);
			return result;
		}
		json_object_unref(message);
	}
	return NULL;
}

static gboolean qmp_send(struct qmp *qmp, const char *text, size_t size,
			 GSocketControlMessage *fds, GError **error)
{
	gint64 end = g_get_monotonic_time() + qmp->patience;
	GOutputVector part = { text, size };
	gssize sent;

	while (part.size > 0) {
		if (!qmp_ready(qmp, G_IO_OUT, end, error))
			return FALSE;
		sent = g_socket_send_message(qmp->socket, NULL, &part, 1, fds ? &fds : NULL,
					     fds ? 1 : 0, 0, cancel_token(), error);
		if (sent < 0)
			return g_prefix_error(error, "QEMU at %s: ", qmp->name), FALSE;
		part.buffer = (const char *)part.buffer + sent;
		part.size -= sent;
		fds = NULL;
	}
	return TRUE;
}

static char *qmp_command(struct qmp *qmp, const char *command, JsonObject *arguments)
{
	g_autoptr(JsonObject) object = json_object_new();
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
	g_autofree char *text = NULL;

	json_object_set_string_member(object, "execute", command);
	if (arguments)
		json_object_set_object_member(object, "arguments", arguments);
	json_object_set_int_member(object, "id", ++qmp->id);
	text = json_to_string(node, FALSE);
	return g_strconcat(text, "\n", NULL);
}

static JsonNode *qmp_call(struct qmp *qmp, const char *command, JsonObject *arguments,
			  GSocketControlMessage *fds, GError **error)
{
	g_autofree char *text = qmp_command(qmp, command, arguments);

	if (!qmp_send(qmp, text, strlen(text), fds, error))
		return NULL;
	return qmp_answer(qmp, error);
}

JsonNode *qmp_run(struct qmp *qmp, const char *command, JsonObject *arguments, GError **error)
{
	return qmp_call(qmp, command, arguments, NULL, error);
}

gboolean qmp_do(struct qmp *qmp, const char *command, JsonObject *arguments, GError **error)
{
	g_autoptr(JsonNode) result = qmp_run(qmp, command, arguments, error);

	return result != NULL;
}

JsonObject *qmp_ask(struct qmp *qmp, const char *command, JsonObject *arguments,
		    GError **error)
{
	g_autoptr(JsonNode) result = qmp_run(qmp, command, arguments, error);

	if (!result)
		return NULL;
	if (JSON_NODE_HOLDS_OBJECT(result))
		return json_node_dup_object(result);
	vmfork_fail(error, VMFORK_FAILED, "QEMU's answer to %s is no object", command);
	return NULL;
}

gboolean qmp_send_fd(struct qmp *qmp, const char *name, int fd, GError **error)
{
	g_autoptr(GSocketControlMessage) fds = g_unix_fd_message_new();
	g_autoptr(JsonObject) arguments = json_object_new();
	g_autoptr(JsonNode) result = NULL;

	if (!g_unix_fd_message_append_fd(G_UNIX_FD_MESSAGE(fds), fd, error))
		return FALSE;
	json_object_set_string_member(arguments, "fdname", name);
	result = qmp_call(qmp, "getfd", json_object_ref(arguments), fds, error);
	return result != NULL;
}

static JsonObject *qmp_take(struct qmp *qmp, const char *name)
{
	JsonObject *event, *data;

	for (GList *at = qmp->events.head; at; at = at->next) {
		event = at->data;
		if (g_strcmp0(qmp_string(event, "event"), name) != 0)
			continue;
		g_queue_delete_link(&qmp->events, at);
		data = qmp_member(event, "data");
		data = data ? json_object_ref(data) : json_object_new();
		json_object_unref(event);
		return data;
	}
	return NULL;
}

JsonObject *qmp_wait(struct qmp *qmp, const char *event, gint64 timeout_us, GError **error)
{
	gint64 end = g_get_monotonic_time() + timeout_us;
	JsonObject *data, *message;

	while (!(data = qmp_take(qmp, event))) {
		message = qmp_message(qmp, end, error);
		if (!message)
			return NULL;
		if (!qmp_keep(qmp, message, error))
			return NULL;
	}
	return data;
}

static gboolean qmp_greet(struct qmp *qmp, GError **error)
{
	gint64 end = g_get_monotonic_time() + qmp->patience;
	g_autoptr(JsonObject) greeting = qmp_message(qmp, end, error);

	if (!greeting)
		return FALSE;
	if (!json_object_has_member(greeting, "QMP"))
		return vmfork_fail(error, VMFORK_FAILED, "%s is no monitor of QEMU", qmp->name);
	return qmp_do(qmp, "qmp_capabilities", NULL, error);
}

static struct qmp *qmp_new(GSocket *socket, const char *name, gint64 patience, GError **error)
{
	struct qmp *qmp = g_new0(struct qmp, 1);

	g_socket_set_blocking(socket, FALSE);
	qmp->socket = socket;
	qmp->name = g_strdup(name);
	qmp->in = g_byte_array_new();
	qmp->patience = patience;
	g_queue_init(&qmp->events);
	if (qmp_greet(qmp, error))
		return qmp;
	qmp_free(qmp);
	return NULL;
}

struct qmp *qmp_attach(int fd, const char *name, gint64 patience, GError **error)
{
	GSocket *socket = g_socket_new_from_fd(fd, error);

	if (!socket) {
		close(fd);
		return NULL;
	}
	return qmp_new(socket, name, patience, error);
}

struct qmp *qmp_open_within(const char *path, gint64 patience, GError **error)
{
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	GSocket *socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
				       G_SOCKET_PROTOCOL_DEFAULT, error);

	if (!socket)
		return NULL;
	if (g_socket_connect(socket, address, cancel_token(), error))
		return qmp_new(socket, path, patience, error);
	g_prefix_error(error, "%s: ", path);
	g_object_unref(socket);
	return NULL;
}

struct qmp *qmp_open(const char *path, GError **error)
{
	return qmp_open_within(path, QMP_PATIENCE, error);
}

gboolean qmp_has_command(struct qmp *qmp, const char *name)
{
	g_autoptr(JsonNode) answer = qmp_run(qmp, "query-commands", NULL, NULL);
	JsonArray *list = answer && JSON_NODE_HOLDS_ARRAY(answer) ?
			  json_node_get_array(answer) : NULL;
	JsonObject *info;

	for (guint i = 0; list && i < json_array_get_length(list); i++) {
		info = json_array_get_object_element(list, i);
		if (g_strcmp0(json_object_get_string_member_with_default(info, "name", NULL),
			      name) == 0)
			return TRUE;
	}
	return FALSE;
}
