/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the command reads: machine.json, meta.json of a saved folder, layers.json, and what
 * QEMU says.  The first byte says which.  A message of GLib's that something has a wrong
 * type is a failure, for the next use of it is a crash.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <glib/gstdio.h>
#include "args.h"
#include "layers.h"
#include "look.h"
#include "meta.h"
#include "qmp.h"

#define MUST(cond)	do { if (!(cond)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void complain(const char *domain, GLogLevelFlags level, const char *text, gpointer data)
{
	(void)domain, (void)level, (void)data;
	g_printerr("%s\n", text);
	abort();
}

static struct store *a_store(void)
{
	static char dir[] = "/dev/shm/vmfork-fuzz.XXXXXX";
	static struct store store = { .lock = -1 };

	if (store.dir)
		return &store;
	MUST(mkdtemp(dir));
	store.dir = dir;
	g_log_set_default_handler(complain, NULL);
	return &store;
}

static void write_file(const char *folder, const char *name, const char *text, size_t size)
{
	g_autofree char *dir = store_path(a_store(), folder, NULL);
	g_autofree char *path = g_build_filename(dir, name, NULL);

	MUST(g_mkdir_with_parents(dir, 0700) == 0);
	MUST(g_file_set_contents_full(path, text, size, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void machine(const char *text, size_t size)
{
	g_autoptr(machine_ref) m = NULL;
	g_autoptr(GError) error = NULL;
	JsonObject *row;

	write_file("machines/m", "machine.json", text, size);
	m = machine_open(a_store(), "m", &error);
	MUST(m || error);
	if (!m)
		return;
	row = look_machine(m);
	json_object_unref(row);
	machine_alive(m);
	machine_disks(machine_run(m, "run"));
}

static void meta(const char *text, size_t size)
{
	g_autofree char *path = store_path(a_store(), "saved", "meta.json", NULL);
	g_autoptr(JsonObject) object = NULL, record = json_object_new();
	g_autoptr(JsonObject) run = json_object_new();
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) args = NULL;

	write_file("saved", "meta.json", text, size);
	object = store_read(path, &error);
	if (!object || !meta_check(object, path, &error)) {
		MUST(error);
		return;
	}
	meta_inherit(record, object);
	json_object_set_string_member(record, "name", "m");
	json_object_set_string_member(run, "guid", "00000000-0000-0000-0000-000000000000");
	args = args_build(record, run, "/nowhere", NULL);
	MUST(args && args[0]);
}

static void layers(const char *text, size_t size)
{
	g_autoptr(GHashTable) needed = NULL;
	g_autoptr(GError) error = NULL;
	struct layers l;
	JsonObjectIter at;
	const char *id;

	write_file("images", "layers.json", text, size);
	if (!layers_open(&l, a_store(), &error)) {
		MUST(error);
		return;
	}
	needed = layers_needed(&l);
	json_object_iter_init(&at, layers_list(&l, "layers"));
	while (json_object_iter_next(&at, &id, NULL))
		layers_users(&l, id);
	layers_close(&l);
}

static void qmp(const char *text, size_t size)
{
	g_autoptr(qmp_client) client = NULL;
	g_autoptr(JsonObject) event = NULL;
	int ends[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	MUST(write(ends[1], text, size) == (ssize_t)size);
	MUST(shutdown(ends[1], SHUT_WR) == 0);
	client = qmp_attach(ends[0], "fuzz", G_USEC_PER_SEC, NULL);
	if (client) {
		qmp_do(client, "stop", NULL, NULL);
		event = qmp_wait(client, "STOP", 0, NULL);
	}
	close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const char *, size_t) = { machine, meta, layers, qmp };

	if (!size)
		return 0;
	a_store();
	readers[data[0] % G_N_ELEMENTS(readers)]((const char *)data + 1, size - 1);
	return 0;
}
