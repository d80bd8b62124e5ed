/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdio.h>
#include <unistd.h>

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>

#include "field.h"
#include "monitor.h"
#include "view.h"

#define MONITOR_PATIENCE 10		/* seconds for each answer */
#define MONITOR_RETRY 1			/* seconds */
#define MONITOR_LINE 65536

/* The next line that answers a command.  Events and the greeting are passed over. */
static gboolean answer(GDataInputStream *in, GError **error)
{
	for (;;) {
		gsize size;
		g_autofree char *line =
			g_data_input_stream_read_line(in, &size, NULL, error);
		g_autoptr(JsonNode) root = NULL;

		if (!line)
			return FALSE;
		root = field_parse(line, MIN(size, MONITOR_LINE), 1024, error);
		if (!root)
			return FALSE;
		if (json_object_has_member(json_node_get_object(root), "return"))
			return TRUE;
		if (!json_object_has_member(json_node_get_object(root), "error"))
			continue;
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", line);
		return FALSE;
	}
}

static gboolean command(GOutputStream *out, GDataInputStream *in, const char *text,
			GError **error)
{
	return g_output_stream_write_all(out, text, strlen(text), NULL, NULL, error) &&
	       answer(in, error);
}

static gboolean stop(const char *path, GError **error)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	g_autoptr(GSocketConnection) connection = NULL;
	g_autoptr(GDataInputStream) in = NULL;
	GOutputStream *out;
	GIOStream *stream;

	g_socket_client_set_enable_proxy(client, FALSE);
	g_socket_client_set_timeout(client, MONITOR_PATIENCE);
	connection = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL,
					     error);
	if (!connection)
		return FALSE;
	stream = G_IO_STREAM(connection);
	in = g_data_input_stream_new(g_io_stream_get_input_stream(stream));
	out = g_io_stream_get_output_stream(stream);
	return command(out, in, "{\"execute\": \"qmp_capabilities\"}\n", error) &&
	       command(out, in, "{\"execute\": \"stop\"}\n", error);
}

/* Until it works: the faults are answered ever more slowly meanwhile. */
static void stop_surely(struct view *v)
{
	for (;;) {
		g_autoptr(GError) error = NULL;

		if (!atomic_load(&v->frames.book->live) || stop(v->monitor, &error))
			break;
		fprintf(stderr, "vmfork-view: %s: the machine is not stopped: %s\n",
			v->monitor, error ? error->message : "no answer");
		sleep(MONITOR_RETRY);
	}
}

void *monitor_thread(void *view)
{
	struct view *v = view;
	uint64_t count, one = 1;

	/* A worker that died may have been about to stop it. */
	if (v->frames.book->full && !v->frames.book->stopped)
		(void)!write(v->faults.stop, &one, sizeof(one));
	while (read(v->faults.stop, &count, sizeof(count)) == sizeof(count)) {
		stop_surely(v);
		atomic_store(&v->frames.book->stopped, 1);
		(void)!write(v->faults.stopped, &one, sizeof(one));
	}
	return NULL;
}
