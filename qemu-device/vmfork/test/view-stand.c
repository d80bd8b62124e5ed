/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Servers that stand still, die for good, are unmounted or closed: the machine goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (16u << 20)

static void frozen(struct standin *m, struct view *v)
{
	view_start(v, m, NULL);
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

static bool all_wait(struct standin *m)
{
	uint64_t before = atomic_load(&m->shared->writes);

	usleep(100000);
	return atomic_load(&m->shared->writes) == before;
}

/* The writers wait for a worker that stands still, and go on with it. */
static void stopped_worker(struct standin *m)
{
	struct view v;
	pid_t worker;

	frozen(m, &v);
	worker = view_worker(&v);
	CHECK(kill(worker, SIGSTOP) == 0);
	while (!all_wait(m))
		;
	CHECK(kill(worker, SIGCONT) == 0);
	standin_write_all(m);
	compare(&v);
	CHECK(view_number(&v, "restarts") == 0);
	view_end(&v);
}

/* It dies while it stands: the next one raises the faults that it had read. */
static void stopped_and_killed(struct standin *m)
{
	struct view v;
	pid_t worker;

	frozen(m, &v);
	worker = view_worker(&v);
	CHECK(kill(worker, SIGSTOP) == 0);
	while (!all_wait(m))
		;
	CHECK(kill(worker, SIGKILL) == 0);
	standin_write_all(m);
	compare(&v);
	CHECK(view_number(&v, "restarts") == 1);
	view_end(&v);
}

/* The keeper alone is killed: the worker goes on.  Then the worker: the machine does. */
static void keeper_killed(struct standin *m)
{
	struct view v;
	int fd, closed = atomic_load(&m->shared->closed);
	char byte;

	frozen(m, &v);
	CHECK(kill(view_keeper(&v), SIGKILL) == 0);
	standin_progress(m, 1000);
	compare(&v);
	fd = view_open(&v);
	CHECK(kill(view_worker(&v) ? view_worker(&v) : view_keeper(&v), SIGKILL) == 0);
	while (atomic_load(&m->shared->closed) == closed)
		usleep(1000);
	standin_write_all(m);
	while (pread(fd, &byte, 1, 0) == 1 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0)
		usleep(1000);
	CHECK(errno == ENOTCONN || errno == ECONNABORTED);
	close(fd);
	{
		char path[300];

		snprintf(path, sizeof(path), "%s/view", v.dir);
		CHECK(umount2(path, MNT_DETACH) == 0);
	}
	view_end(&v);
}

/* The keeper dies without the worker: closing works all the same. */
static void keeper_killed_and_closed(struct standin *m)
{
	struct view v;
	char path[300];

	frozen(m, &v);
	CHECK(kill(view_keeper(&v), SIGKILL) == 0);
	view_ok(&v, "{\"op\": \"close\"}");
	snprintf(path, sizeof(path), "%s/view/ram", v.dir);
	CHECK(access(path, F_OK) < 0 && errno == ENOENT);
	view_end(&v);
	standin_write_all(m);
}

/* A worker that dies each time is given up, at once, and the machine let go. */
static void hopeless(struct standin *m)
{
	int closed = atomic_load(&m->shared->closed);
	char path[300], text[4096] = "";
	struct view v;
	FILE *f;

	setenv("VMFORK_VIEW_POINT", "control-read:always", 1);
	view_start(&v, m, NULL);
	unsetenv("VMFORK_VIEW_POINT");
	CHECK(view_ask(&v, "{\"op\": \"status\"}") == NULL);
	while (view_keeper(&v))
		usleep(1000);
	while (atomic_load(&m->shared->closed) == closed)
		usleep(1000);
	standin_write_all(m);
	snprintf(path, sizeof(path), "%s/log", v.dir);
	f = fopen(path, "r");
	CHECK(f && fread(text, 1, sizeof(text) - 1, f) > 0);
	fclose(f);
	CHECK(strstr(text, "given up"));
	snprintf(path, sizeof(path), "%s/view/ram", v.dir);
	CHECK(access(path, F_OK) < 0 && errno == ENOENT);
	view_end(&v);
}

/* One that dies before it ever served is given up as well, and the parent says so. */
static void hopeless_from_the_start(struct standin *m)
{
	int closed = atomic_load(&m->shared->closed);
	struct view v;
	char json[400], error[4096];

	view_dir(&v);
	standin_open(m);
	snprintf(json, sizeof(json), "{\"version\": 1, \"uffd\": %d, \"peer\": %d, \"blocks\": "
		 "[{\"id\": \"ram\", \"size\": %u, \"page-size\": 4096, \"host\": %llu, "
		 "\"fd\": %d, \"fd-offset\": 0}]}", m->uffd, m->peer, SIZE,
		 (unsigned long long)m->blocks[0].host, m->blocks[0].fd);
	fcntl(m->blocks[0].fd, F_SETFD, 0);
	setenv("VMFORK_VIEW_POINT", "request-read:always", 1);
	CHECK(view_try(&v, json, NULL, error, sizeof(error)) == 1);
	unsetenv("VMFORK_VIEW_POINT");
	CHECK(strstr(error, "given up"));
	close(m->uffd);
	close(m->peer);
	while (atomic_load(&m->shared->closed) == closed)
		usleep(1000);
	standin_write_all(m);
	view_end(&v);
}

/* An open file, or a mapping of one, holds a close back; force does not wait. */
static void closing(struct standin *m)
{
	char path[300];
	struct view v;
	int fd;

	frozen(m, &v);
	fd = view_open(&v);
	CHECK(view_number(&v, "users") == 1);
	view_fails(&v, "{\"op\": \"close\"}", "in use");
	compare(&v);
	close(fd);
	snprintf(path, sizeof(path), "%s/view", v.dir);
	fd = open(path, O_PATH);
	view_fails(&v, "{\"op\": \"close\"}", "cannot unmount");
	compare(&v);
	close(fd);
	fd = view_open(&v);
	view_ok(&v, "{\"op\": \"close\", \"force\": true}");
	CHECK(view_ask(&v, "{\"op\": \"status\"}") == NULL);
	close(fd);
	view_end(&v);
	standin_write_all(m);
}

/* Unmounted by hand: the server lets the machine go, and ends. */
static void unmounted(struct standin *m)
{
	int closed = atomic_load(&m->shared->closed);
	char path[300];
	struct view v;

	frozen(m, &v);
	snprintf(path, sizeof(path), "%s/view", v.dir);
	CHECK(umount(path) == 0);
	while (view_keeper(&v))
		usleep(1000);
	while (atomic_load(&m->shared->closed) == closed)
		usleep(1000);
	standin_write_all(m);
	view_end(&v);
}

int main(void)
{
	struct standin m;

	need_root();
	standin_start(&m, 2, 1, SIZE, 0);
	standin_progress(&m, 100);
	stopped_worker(&m);
	stopped_and_killed(&m);
	keeper_killed(&m);
	keeper_killed_and_closed(&m);
	hopeless(&m);
	hopeless_from_the_start(&m);
	closing(&m);
	unmounted(&m);
	standin_kill(&m);
	return 0;
}
