/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * vmfork-storage DIR: waits for the death of the storage daemon of that folder and starts
 * it again, with what its record says.  vmfork starts it with the first disk; it ends when
 * no disk and no snapshot needs a daemon any more.
 */
#include <stdio.h>
#include <unistd.h>
#include "cancel.h"
#include "lock.h"
#include "process.h"
#include "storage.h"

/* How long until the next try when it cannot be started, say on a full disk */
#define WATCH_SHORTEST (100 * 1000)
#define WATCH_LONGEST (5 * G_USEC_PER_SEC)
#define WATCH_LOOK (G_GINT64_CONSTANT(3600) * G_USEC_PER_SEC)

/* TRUE: there is a daemon that is needed, and this is its process. */
static gboolean watch_start(struct store *store, JsonObject **process, GError **error)
{
	struct storage s;
	gboolean runs;

	if (!storage_open(&s, store, STORAGE_LOOK, error))
		return FALSE;
	runs = s.qmp != NULL;
	storage_close(&s);
	*process = runs ? storage_process(store) : NULL;
	return TRUE;
}

static void watch_wait(JsonObject *process)
{
	while (process_alive(process))
		process_await_end(process, WATCH_LOOK, NULL);
}

static int watch(struct store *store)
{
	gint64 pause = WATCH_SHORTEST;

	for (;;) {
		g_autoptr(JsonObject) process = NULL;
		g_autoptr(GError) error = NULL;

		if (watch_start(store, &process, &error)) {
			if (!process)
				return 0;
			watch_wait(process);
			pause = WATCH_SHORTEST;
			continue;
		}
		vmfork_warn("%s", error->message);
		cancel_sleep(pause, NULL);
		pause = MIN(pause * 2, WATCH_LONGEST);
	}
}

int main(int argc, char **argv)
{
	g_autofree char *lock = NULL;
	g_autoptr(GError) error = NULL;
	struct store *store;

	if (argc != 2) {
		fprintf(stderr, "Usage: vmfork-storage DIR\nvmfork starts it.\n");
		return VMFORK_USAGE;
	}
	store = store_open(argv[1], &error);
	lock = store ? store_path(store, "storage", "watch.lock", NULL) : NULL;
	if (!store || lock_take(lock, "the storage daemon", 0, &error) < 0) {
		vmfork_warn("%s", error->message);
		return vmfork_exit_status(error);
	}
	return watch(store);
}
