/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The store: names, locks, records; processes by more than their number. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cancel.h"
#include "lock.h"
#include "machine.h"
#include "process.h"
#include "store.h"
#include "tap.h"

static void test_names(void)
{
	static const char *const good[] = { "a", "A-1_b.c", "9", NULL };
	static const char *const bad[] = { "", ".", "..", "../x", "a/b", "-x", ".a", "_a", "a b",
					   "a\nb", "\303\244", "a@1", NULL };
	g_autofree char *longest = g_strnfill(64, 'x'), *longer = g_strnfill(65, 'x');
	g_autoptr(GError) error = NULL;

	for (const char *const *name = good; *name; name++)
		ok(store_name(*name, NULL), "a name");
	for (const char *const *name = bad; *name; name++)
		ok(tap_refused(store_name(*name, &error), &error, VMFORK_USAGE, "is no name"),
		   "no name");
	ok(store_name(longest, NULL), "the longest name");
	ok(tap_refused(store_name(longer, &error), &error, VMFORK_USAGE, "is no name"),
	   "one that is longer");
}

static void test_records(struct store *store)
{
	static const char *const bad[] = { "", "{", "[]", "3", "{\"a\": }", NULL };
	g_autofree char *path = store_path(store, "record", NULL);
	g_autoptr(JsonObject) object = json_object_new(), back = NULL;
	g_autoptr(GError) error = NULL;

	json_object_set_int_member(object, "n", 5);
	ok(store_write(path, object, NULL) && store_note(path, object, NULL), "written, twice");
	back = store_read(path, NULL);
	ok(back && json_object_get_int_member(back, "n") == 5, "and read");
	for (const char *const *text = bad; *text; text++) {
		g_file_set_contents(path, *text, -1, NULL);
		ok(tap_refused(store_read(path, &error) != NULL, &error, 1, "record"),
		   "what is no object is an error with the file's name");
	}
	unlink(path);
}

static void test_machines(struct store *store)
{
	g_autofree char *link = store_path(store, "machines", "link", NULL);
	g_autoptr(machine_ref) m = NULL, again = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) names = NULL;

	m = machine_new(store, "one", &error);
	ok(m, "a machine");
	again = machine_new(store, "one", &error);
	ok(tap_refused(again != NULL, &error, VMFORK_REFUSED, "already"), "no second one");
	ok(tap_refused(machine_open(store, "two", &error) != NULL, &error, VMFORK_MISSING,
		       "no machine two"), "one that there is not");
	names = store_list(store, "machines");
	ok(names->len == 1 && strcmp(names->pdata[0], "one") == 0, "the list");
	ok(symlink("/", link) == 0 && store_remove(link, NULL) && access("/etc", F_OK) == 0 &&
	   access(link, F_OK) < 0, "a link is removed, not what it names");
	ok(machine_remove(m, NULL) && access(m->dir, F_OK) < 0, "removed");
}

/* A store in a folder whose sockets would have too long paths. */
static void test_depth(struct store *store)
{
	g_autofree char *name = g_strnfill(100, 'd'), *dir = NULL;
	g_autoptr(GError) error = NULL;
	struct store *deep;

	dir = store_path(store, name, NULL);
	deep = store_open(dir, NULL);
	ok(tap_refused(machine_new(deep, "m", &error) != NULL, &error, VMFORK_REFUSED, "107"),
	   "paths that no socket can have are refused");
	store_free(deep);
}

/* Another process takes the lock and dies. */
static void test_locks(struct store *store)
{
	g_autofree char *path = store_path(store, "lock", NULL);
	g_autoptr(GError) error = NULL;
	int ends[2], fd;
	pid_t pid;
	char c;

	if (pipe(ends) < 0)
		return;
	pid = fork();
	if (pid == 0) {
		fd = lock_take(path, "it", 0, NULL);
		if (write(ends[1], "", 1) == 1)
			pause();
		_exit(fd);
	}
	ok(read(ends[0], &c, 1) == 1 && lock_is_held(path), "held by another process");
	ok(tap_refused(lock_take(path, "it", 0, &error) >= 0, &error, VMFORK_REFUSED,
		       "another vmfork"), "and not to be had");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	fd = lock_take(path, "it", 0, &error);
	ok(fd >= 0, "that of a dead process is none");
	close(fd);
}

static void test_processes(void)
{
	const char *const sleeper[] = { "sleep", "1000", NULL };
	const char *const missing[] = { "/nonexistent/program", NULL };
	struct process p = { .argv = sleeper }, none = { .argv = missing };
	g_autoptr(JsonObject) record = NULL, other = NULL;
	g_autoptr(GError) error = NULL;
	gint64 start;

	ok(process_prepare(&p, NULL), "a process");
	record = process_record(p.pid);
	ok(process_go(&p, NULL) && process_alive(record), "is alive");
	start = json_object_get_int_member(record, "start");
	other = process_record(p.pid);
	json_object_set_int_member(other, "start", start - 1);
	ok(!process_alive(other) && !process_signal(other, SIGKILL) && process_alive(record),
	   "one that had its number before is not, and gets no signal");
	kill(p.pid, SIGSTOP);
	waitpid(p.pid, NULL, WUNTRACED);
	ok(process_state(record) == 'T', "stopped");
	ok(process_end(record, NULL) && !process_alive(record), "ended");
	ok(process_prepare(&none, NULL) &&
	   tap_refused(process_go(&none, &error), &error, 1, "/nonexistent/program"),
	   "what cannot be executed says so");
}

/* What was not recorded does not run. */
static void test_gate(void)
{
	g_autofree char *file = g_build_filename(g_get_tmp_dir(), "vmfork-gate.XXXXXX", NULL);
	const char *args[] = { "touch", NULL, NULL };
	struct process p = { .argv = args };
	int fd = mkstemp(file);

	unlink(file);
	args[1] = file;
	ok(process_prepare(&p, NULL), "prepared");
	process_abandon(&p);
	ok(access(file, F_OK) < 0, "and not executed, for its parent gave it up");
	close(fd);
}

int main(void)
{
	g_autofree char *dir = g_dir_make_tmp("vmfork.XXXXXX", NULL);
	struct store *store;

	cancel_start();
	store = store_open(dir, NULL);
	test_names();
	test_records(store);
	test_machines(store);
	test_depth(store);
	test_locks(store);
	test_processes();
	test_gate();
	store_free(store);
	store_remove(dir, NULL);
	return tap_end();
}
