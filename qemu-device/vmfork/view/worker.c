/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "fs.h"
#include "keeper.h"
#include "monitor.h"
#include "point.h"
#include "view.h"
#include "worker.h"

static void fail(const char *what)
{
	fprintf(stderr, "vmfork-view: %s\n", what);
	_exit(1);
}

static void spawn(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, argument))
		fail("no thread can be started");
	pthread_detach(thread);
}

/* A worker before this one died while it inherited: it is asked for again. */
static void disinherit(struct view *v)
{
	v->frames.book->live = 0;
	if (v->plan.uffd >= 0)
		close(v->plan.uffd);
	if (v->plan.peer >= 0)
		close(v->plan.peer);
	v->plan.uffd = v->plan.peer = -1;
}

/*
 * A worker before this one may have died between its word that the machine is let go and
 * the deed.  What was handed over is kept until the view is rebased.
 */
static void resume(struct view *v)
{
	struct book *book = v->frames.book;

	frames_recount(&v->frames);
	v->source.lower = v->plan.lower;
	if (v->plan.inherits && book->state < BOOK_FROZEN)
		disinherit(v);
	v->faults.uffd = v->plan.uffd;
	v->faults.peer = v->plan.peer;
	if (book->next == BOOK_HANDED)
		book->live = 0;
	if ((!book->live && book->next != BOOK_HANDED) || book->state == BOOK_DROPPED ||
	    (book->source == BOOK_LOWER && v->plan.uffd >= 0))
		faults_let_go(v);
	faults_wake(v);
}

void worker_run(struct view *v)
{
	resume(v);
	if (!fs_start(v))
		fail("the file system does not start");
	if (atomic_load(&v->frames.book->live))
		spawn(faults_thread, v);
	if (v->monitor)
		spawn(monitor_thread, v);
	if (!atomic_load(&v->frames.book->served)) {
		dup2(v->log, STDERR_FILENO);
		keeper_served(v);
	}
	POINT("started");
	control_run(v);
	_exit(0);
}
