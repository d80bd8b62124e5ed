/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * No room: a budget of 1 MiB with stop and with drop, a disk that is full, a monitor that
 * is slow or not there.  With stop nothing is lost; with drop everybody goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (32u << 20)
#define BUDGET (1 << 20)

/* A monitor that stops the stand-in, and counts. */
static struct monitor {
	struct standin *m;
	char path[300];
	int listen;
	_Atomic int stops;
	int delay_ms, refusals;
} monitor;

static bool line(FILE *f, const char *wanted)
{
	char text[1000];

	return fgets(text, sizeof(text), f) && strstr(text, wanted);
}

static void answer(FILE *f)
{
	fputs("{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n", f);
	fflush(f);
	if (!line(f, "qmp_capabilities"))
		return;
	fputs("{\"return\": {}}\r\n{\"event\": \"SOMETHING\", \"data\": {}}\r\n", f);
	fflush(f);
	if (!line(f, "\"stop\""))
		return;
	if (monitor.refusals-- > 0) {
		fputs("{\"error\": {\"class\": \"GenericError\", \"desc\": \"not now\"}}\r\n", f);
		return;
	}
	usleep(monitor.delay_ms * 1000);
	standin_stop(monitor.m);
	fputs("{\"event\": \"STOP\"}\r\n{\"return\": {}}\r\n", f);
	fflush(f);
	atomic_fetch_add(&monitor.stops, 1);
}

static void *serve(void *unused)
{
	(void)unused;
	for (;;) {
		int fd = accept(monitor.listen, NULL, NULL);
		FILE *f = fd >= 0 ? fdopen(fd, "r+") : NULL;

		if (!f)
			return NULL;
		answer(f);
		fclose(f);
	}
}

static void listen_monitor(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	pthread_t thread;

	snprintf(monitor.path, sizeof(monitor.path), "%s/standin-monitor.%d", P_tmpdir, getpid());
	snprintf(a.sun_path, sizeof(a.sun_path), "%.100s", monitor.path);
	monitor.listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(monitor.listen, (struct sockaddr *)&a, sizeof(a)) == 0);
	CHECK(listen(monitor.listen, 4) == 0);
	CHECK(pthread_create(&thread, NULL, serve, NULL) == 0);
}

static void start(struct view *v, struct standin *m, const char *budget, const char *full,
		  const char *socket)
{
	const char *more[8] = { "--on-full", full };
	int n = 2;

	if (budget)
		more[n++] = "--budget", more[n++] = budget;
	if (socket)
		more[n++] = "--monitor", more[n++] = socket;

	view_start(v, m, more);
	view_ok(v, "{\"op\": \"arm\"}");
	standin_stop(m);
	view_freeze(v, m);
	standin_cont(m);
}

static void compare(struct view *v)
{
	int fd = view_open(v);

	view_compare(v, fd);
	close(fd);
}

/* It is stopped with the view whole and the budget kept to, or nearly so. */
static void wait_stopped(struct view *v, int stops)
{
	while (atomic_load(&monitor.stops) < stops)
		usleep(1000);
	while (view_flag(v, "waiting"))
		usleep(1000);
	CHECK(view_flag(v, "full") && view_is(v, "frozen"));
}

static void stops(struct standin *m, int delay_ms, int refusals)
{
	struct view v;
	int64_t buffer;

	monitor.stops = 0;
	monitor.delay_ms = delay_ms;
	monitor.refusals = refusals;
	start(&v, m, "1048576", "stop", monitor.path);
	CHECK(view_number(&v, "budget") == BUDGET);
	wait_stopped(&v, 1);
	buffer = view_number(&v, "buffer");
	say("stop in %d ms after %d refusals: %lld bytes of %d", delay_ms, refusals,
	    (long long)buffer, BUDGET);
	CHECK(buffer > BUDGET - 65 * 4096 && buffer <= BUDGET + 4096 * 1024);
	compare(&v);
	/* A machine that is made to go on in spite of it is stopped again. */
	standin_cont(m);
	wait_stopped(&v, 2);
	compare(&v);
	/* Letting the view go is the way on. */
	view_end(&v);
	monitor.delay_ms = monitor.refusals = 0;
	standin_cont(m);
	standin_write_all(m);
}

static void drops(struct standin *m)
{
	struct view v;
	char byte;
	int fd;

	start(&v, m, "1048576", "drop", monitor.path);
	standin_write_all(m);
	CHECK(view_is(&v, "dropped"));
	CHECK(view_number(&v, "buffer") <= BUDGET);
	fd = view_open(&v);
	CHECK(pread(fd, &byte, 1, 0) < 0 && errno == EIO);
	CHECK(lseek(fd, 0, SEEK_DATA) < 0 && errno == EIO);
	close(fd);
	CHECK(atomic_load(&m->shared->closed) > 0);
	view_fails(&v, "{\"op\": \"freeze\"}", "given up");
	view_end(&v);
}

/* There is no monitor: the view is dropped at the end of the spare, and the machine goes on. */
static void no_monitor(struct standin *m)
{
	struct view v;

	start(&v, m, "1048576", "stop", NULL);
	while (!view_is(&v, "dropped"))
		usleep(10000);
	standin_write_all(m);
	view_end(&v);
}

/* The snapshot's folder is on a disk of 4 MiB. */
static void disk(struct standin *m, const char *full)
{
	char folder[64] = "/tmp/view-disk.XXXXXX";
	bool stop = strcmp(full, "stop") == 0;
	struct view v;

	monitor.stops = 0;
	CHECK(mkdtemp(folder));
	CHECK(mount("tmpfs", folder, "tmpfs", 0, "size=4m") == 0);
	setenv("TMPDIR", folder, 1);
	start(&v, m, NULL, full, monitor.path);
	unsetenv("TMPDIR");
	if (stop) {
		wait_stopped(&v, 1);
		say("a disk of 4 MiB: %lld bytes kept", (long long)view_number(&v, "buffer"));
		compare(&v);
	} else {
		standin_write_all(m);
		CHECK(view_is(&v, "dropped"));
	}
	view_end(&v);
	standin_cont(m);
	standin_write_all(m);
	CHECK(umount(folder) == 0 && rmdir(folder) == 0);
}

int main(void)
{
	struct standin m;

	need_root();
	standin_start(&m, 2, 1, SIZE, 0);
	standin_write_all(&m);
	monitor.m = &m;
	listen_monitor();
	stops(&m, 0, 0);
	stops(&m, 500, 0);
	stops(&m, 0, 1);
	drops(&m);
	disk(&m, "stop");
	disk(&m, "drop");
	no_monitor(&m);
	unlink(monitor.path);
	standin_kill(&m);
	return 0;
}
