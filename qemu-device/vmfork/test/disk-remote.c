/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * An image behind nbd:URI.  nbdkit serves it, and makes it slow, broken, stuck or dead:
 * errors reach the client as errors, and nothing hangs.
 */
#include <stdlib.h>
#include "disk-test.h"

/* More than requests wait for a server that is gone, in seconds */
#define LONGEST 20

static char *uri, *fault, *log_file;

static int serve(const char *delay)
{
	return run("cd '%s' && rm -f sock pid && nbdkit -P pid -U sock --filter=log --filter=error --filter=delay "
		   "file \"$PWD/data\" logfile=\"$PWD/log\" error-pread=EIO error-pread-rate=100%% "
		   "error-file=\"$PWD/fault\" rdelay=%s", folder, delay);
}

static void server_signal(int signal)
{
	g_autofree char *path = in_folder("pid"), *text = NULL;
	g_autoptr(JsonObject) process = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return;
	process = process_record(atoi(text));
	process_signal(process, signal);
	if (signal == SIGKILL)
		process_await_end(process, LONGEST * G_USEC_PER_SEC, NULL);
}

/* A read as QEMU does it for a guest: 0, 1 for an error, 124 when it did not end. */
static int read_by_qemu(JsonObject *disk, guint64 at, gint64 *us)
{
	g_autofree char *options = disk_blockdev(store, disk);
	g_autofree char *name = g_strconcat("json:", options, NULL);
	g_autofree char *quoted = g_shell_quote(name);
	gint64 start = g_get_monotonic_time();
	int status = run("timeout %d qemu-img bench -q -c 1 -d 1 -o %" G_GUINT64_FORMAT
			 " %s >/dev/null", LONGEST, at, quoted);

	if (us)
		*us = g_get_monotonic_time() - start;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static JsonObject *attach(const char *owner, const char *spec)
{
	JsonObject *disk = NULL;
	GError *error = NULL;

	fine(disk_attach(store, owner, 0, spec, &disk, &error), &error);
	return disk;
}

static gboolean written_there(void)
{
	g_autofree char *text = NULL;

	return g_file_get_contents(log_file, &text, NULL, NULL) && strstr(text, "Write");
}

static void test_faults(JsonObject *remote)
{
	const char *disk = layers_string(remote, "id");
	gint64 us;

	ok(has(disk, 'd', 0, MIB), "the image of a server elsewhere");
	ok(put(disk, 'x', MIB, 4096) && has(disk, 'x', MIB, 4096) && !written_there(),
	   "what is written stays here");
	g_file_set_contents(fault, "", 0, NULL);
	ok(read_by_qemu(remote, 2 * MIB, NULL) == 1, "its errors reach QEMU as errors");
	ok(has(disk, 'x', MIB, 4096), "but not for what is here");
	unlink(fault);
	ok(read_by_qemu(remote, 2 * MIB, NULL) == 0, "nor once it has recovered");
	server_signal(SIGKILL);
	ok(serve("300ms") == 0 && read_by_qemu(remote, 3 * MIB, &us) == 0 && us >= 300000,
	   "a slow one is waited for, and one that comes back is found");
}

static void test_stuck(JsonObject *remote, const char *other)
{
	const char *disk = layers_string(remote, "id");
	JsonObject *none = NULL;
	GError *error = NULL;

	server_signal(SIGSTOP);
	ok(refused(disk_attach(store, "late", 0, uri, &none, &error), &error,
		   "does not answer"), "one that is stuck is refused");
	ok(put(other, 'o', 0, 4096) && fine(disk_collect(store, &error), &error),
	   "other disks go on");
	server_signal(SIGCONT);
	ok(read_by_qemu(remote, 4 * MIB, NULL) == 0, "it goes on");
	server_signal(SIGKILL);
	ok(read_by_qemu(remote, 5 * MIB, NULL) == 1,
	   "one that is gone is an error after a while");
	ok(put(other, 'o', 0, 4096) && has(disk, 'x', MIB, 4096), "and nothing else is");
}

int main(void)
{
	g_autoptr(JsonObject) remote = NULL, local = NULL;
	g_autofree char *raw = NULL, *sock = NULL;
	GError *error = NULL;

	if (run("nbdkit --version >/dev/null 2>&1") != 0) {
		printf("1..0 # SKIP there is no nbdkit\n");
		return 0;
	}
	begin();
	raw = in_folder("a.raw");
	fault = in_folder("fault");
	log_file = in_folder("log");
	sock = g_uri_escape_string(folder, "/", FALSE);
	uri = g_strdup_printf("nbd:nbd+unix:///?socket=%s/sock", sock);
	run("truncate -s 64M '%s'", raw);
	/* No zeroes: where it says that there are some the daemon does not ask for them. */
	run("head -c 64M /dev/zero | tr '\\0' d >'%s/data'", folder);
	ok(serve("0") == 0, "a server");
	remote = attach("r", uri);
	local = attach("l", raw);
	if (ok(remote && local, "disks")) {
		test_faults(remote);
		test_stuck(remote, layers_string(local, "id"));
	}
	ok(fine(disk_release(store, "r", &error), &error) &&
	   fine(disk_release(store, "l", &error), &error), "released");
	server_signal(SIGKILL);
	return end();
}
