/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The machine dies: the view stays.  QEMU takes its memory back: the view is given up, and
 * readers are told.  The server lets go: the machine goes on.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (32u << 20)

static void frozen(struct standin *m, struct view *v)
{
	standin_start(m, 2, 1, SIZE, 0);
	standin_progress(m, 1000);
	view_start(v, m, NULL);
	view_ok(v, "{\"op\": \"arm\"}");
	standin_stop(m);
	view_freeze(v, m);
	standin_cont(m);
}

static void machine_dies(void)
{
	struct standin m;
	struct view v;
	int fd;

	frozen(&m, &v);
	standin_kill(&m);
	while (view_flag(&v, "live"))
		;
	CHECK(view_is(&v, "frozen"));
	fd = view_open(&v);
	view_compare(&v, fd);
	close(fd);
	view_end(&v);
}

static void machine_dies_early(void)
{
	struct standin m;
	struct view v;

	standin_start(&m, 2, 1, SIZE, 0);
	view_start(&v, &m, NULL);
	view_ok(&v, "{\"op\": \"arm\"}");
	standin_kill(&m);
	while (!view_is(&v, "dropped"))
		;
	view_fails(&v, "{\"op\": \"freeze\"}", "given up");
	view_end(&v);
}

static void memory_taken_back(void)
{
	struct standin m;
	struct view v;
	char byte;
	int fd;

	frozen(&m, &v);
	fd = view_open(&v);
	CHECK(pread(fd, &byte, 1, 0) == 1);
	atomic_store(&m.shared->close, 1);
	while (!view_is(&v, "dropped"))
		;
	/* What the page cache had is forgotten as well, a moment later. */
	while (pread(fd, &byte, 1, 0) == 1)
		;
	CHECK(errno == EIO);
	close(fd);
	standin_write_all(&m);
	view_end(&v);
	standin_kill(&m);
}

/* A reader that had seen the view frozen is held until it is dropped. */
static void held_reader(void)
{
	struct standin m;
	struct gate g;
	struct view v;

	gate_open(&g, "read-index");
	frozen(&m, &v);
	gate_reader(&g, &v);
	atomic_store(&m.shared->close, 1);
	while (!view_is(&v, "dropped"))
		;
	standin_write_all(&m);
	CHECK(gate_release(&g) == EIO);
	view_end(&v);
	standin_kill(&m);
}

/* Without a server nothing is protected any more, and the watcher saw it. */
static void server_lets_go(void)
{
	struct standin m;
	struct view v;

	frozen(&m, &v);
	standin_stop(&m);
	view_ok(&v, "{\"op\": \"detach\"}");
	while (!atomic_load(&m.shared->closed))
		;
	standin_cont(&m);
	standin_write_all(&m);
	view_end(&v);
	standin_kill(&m);
}

int main(void)
{
	need_root();
	machine_dies();
	machine_dies_early();
	memory_taken_back();
	held_reader();
	server_lets_go();
	return 0;
}
