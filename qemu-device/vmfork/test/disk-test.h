/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the tests of disks share: TAP, a store in a folder of its own, a client of NBD. */
#ifndef TEST_DISK_H
#define TEST_DISK_H

#include <libnbd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include "disk.h"
#include "image.h"
#include "process.h"
#include "storage.h"
#include "switch.h"

#define MIB (1 << 20)

static unsigned tap_count, tap_failed;
static struct store *store;
static char *folder;

#define ok(what, ...) ok_at(__LINE__, (what) ? 1 : 0, __VA_ARGS__)

G_GNUC_PRINTF(3, 4)
static inline gboolean ok_at(int line, gboolean what, const char *format, ...)
{
	va_list args;

	printf("%sok %u - ", what ? "" : "not ", ++tap_count);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	if (!what)
		printf("# line %d\n", line);
	tap_failed += !what;
	fflush(stdout);
	return what;
}

/* No error, or it is shown. */
static inline gboolean fine(gboolean what, GError **error)
{
	if (!what || *error)
		printf("# %s\n", *error ? (*error)->message : "no message");
	what = what && !*error;
	g_clear_error(error);
	return what;
}

/* An error that names something */
static inline gboolean refused(gboolean what, GError **error, const char *names)
{
	gboolean right = !what && *error && strstr((*error)->message, names);

	if (!right)
		printf("# %s\n", *error ? (*error)->message : "there was no error");
	g_clear_error(error);
	return right;
}

static inline char *in_folder(const char *name)
{
	return g_build_filename(folder, name, NULL);
}

G_GNUC_PRINTF(1, 2)
static inline int run(const char *format, ...)
{
	g_autofree char *command = NULL;
	va_list args;

	va_start(args, format);
	command = g_strdup_vprintf(format, args);
	va_end(args);
	return system(command);
}

static inline struct nbd_handle *client(const char *disk)
{
	g_autofree char *path = store_path(store, "storage", "nbd.sock", NULL);
	struct nbd_handle *nbd = nbd_create();

	if (nbd && nbd_set_export_name(nbd, disk) == 0 && nbd_connect_unix(nbd, path) == 0)
		return nbd;
	nbd_close(nbd);
	return NULL;
}

/* Fills or compares with a byte; both flush. */
static inline gboolean put(const char *disk, char byte, size_t at, size_t size)
{
	g_autofree char *buf = g_malloc(size);
	struct nbd_handle *nbd = client(disk);
	gboolean done;

	memset(buf, byte, size);
	done = nbd && nbd_pwrite(nbd, buf, size, at, 0) == 0 && nbd_flush(nbd, 0) == 0;
	nbd_close(nbd);
	return done;
}

static inline gboolean has(const char *disk, char byte, size_t at, size_t size)
{
	g_autofree char *buf = g_malloc(size);
	struct nbd_handle *nbd = client(disk);
	gboolean same = nbd && nbd_pread(nbd, buf, size, at, 0) == 0;

	nbd_close(nbd);
	for (size_t i = 0; same && i < size; i++)
		same = buf[i] == byte;
	return same;
}

static inline const char *id_of(JsonArray *disks, guint i)
{
	return layers_string(json_array_get_object_element(disks, i), "id");
}

/* The folder's name needs quoting wherever it is used. */
static inline void begin(void)
{
	GError *error = NULL;
	char *dir;

	if (run("qemu-storage-daemon --version >/dev/null 2>&1 && "
		"qemu-img --version >/dev/null 2>&1") != 0) {
		printf("1..0 # SKIP no qemu-storage-daemon and qemu-img in PATH\n");
		exit(0);
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	folder = g_dir_make_tmp("vmf, \"X.XXXXXX", &error);
	dir = in_folder("store");
	store = store_open(dir, &error);
	if (!store)
		printf("Bail out! %s\n", error->message);
	g_free(dir);
}

static inline int end(void)
{
	store_remove(folder, NULL);
	printf("1..%u\n", tap_count);
	return tap_failed > 0;
}

#endif
