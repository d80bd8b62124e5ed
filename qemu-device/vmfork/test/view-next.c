/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The next view is armed ahead by the server of the one before it, and the userfaultfd
 * handed over while the machine stands.  Each view stays what it was, the pause protects
 * what is left and not all, and the machine notices nothing; with kill -9 of a worker at
 * each point, with a server that goes, and with a taker that gives up.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (32u << 20)

static int64_t number(const char *reply, const char *name)
{
	const char *at = reply ? strstr(reply, name) : NULL;

	CHECK(at);
	return atoll(at + strlen(name) + 2);
}

static void compare(struct view *v)
{
	int fd = view_open(v);

	view_compare(v, fd);
	/* The next look is at the server's answer, not at the page cache. */
	CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	close(fd);
}

static void rebase(struct view *v, const char *ram)
{
	char request[600];

	snprintf(request, sizeof(request), "{\"op\": \"rebase\", \"ram\": \"%s\"}", ram);
	view_ok(v, request);
}

static void rebase_onto(struct view *v, struct view *lower)
{
	char ram[300];

	snprintf(ram, sizeof(ram), "%s/view/ram", lower->dir);
	rebase(v, ram);
}

static void first(struct view *v, struct standin *m)
{
	view_start(v, m, NULL);
	view_ok(v, "{\"op\": \"arm\"}");
	standin_stop(m);
	view_freeze(v, m);
	standin_cont(m);
	standin_progress(m, 2000);
}

/* The machine runs; writers are between the passes and after them. */
static void ahead(struct view *old, struct standin *m)
{
	for (int i = 0; i < 3; i++) {
		view_ok(old, "{\"op\": \"arm\"}");
		standin_progress(m, 200);
		compare(old);
	}
}

/* The reply's frames: what was left for the pause. */
static int64_t freeze(struct view *v, struct standin *m)
{
	const char *reply = view_ask(v, "{\"op\": \"freeze\"}");
	int64_t frames = number(reply, "frames");

	CHECK(strstr(reply, "\"ok\":true"));
	view_freeze(v, m);
	return frames;
}

static int64_t take(struct view *v, struct view *old, struct standin *m)
{
	int64_t frames;

	ahead(old, m);
	standin_stop(m);
	frames = freeze(v, m);
	CHECK(!view_flag(old, "live") && view_flag(v, "live"));
	/* Something was written since, or this tests nothing. */
	CHECK(memcmp(v->truth, old->truth, v->size) != 0);
	compare(old);
	rebase_onto(old, v);
	standin_cont(m);
	return frames;
}

static void chain(struct standin *m)
{
	struct view v[4];

	first(&v[0], m);
	for (int i = 1; i < 4; i++) {
		view_start_next(&v[i], &v[i - 1], m);
		view_fails(&v[i - 1], "{\"op\": \"rebase\", \"ram\": \"/dev/null\"}",
			   "another machine");
		if (i == 2)		/* as much as there can be to protect again */
			standin_write_all(m);
		say("%lld frames of %lld", (long long)take(&v[i], &v[i - 1], m),
		    (long long)m->size / 4096);
		standin_progress(m, 1000);
		for (int k = 0; k <= i; k++)
			compare(&v[k]);
	}
	standin_write_all(m);
	CHECK(atomic_load(&m->shared->closed) == 0);
	for (int i = 0; i < 4; i++) {
		compare(&v[i]);
		view_compare_mmap(&v[i], m);
	}
	for (int i = 0; i < 4; i++)
		view_end(&v[i]);
	while (atomic_load(&m->shared->closed) == 0)
		;
	atomic_store(&m->shared->closed, 0);
}

/* Three passes beside a writer leave few of the frames that were written. */
static void few_are_left(struct standin *m)
{
	struct view a, b;

	first(&a, m);
	standin_write_all(m);
	view_start_next(&b, &a, m);
	standin_stop(m);
	view_ok(&a, "{\"op\": \"arm\"}");
	CHECK(freeze(&b, m) == 0);
	rebase_onto(&a, &b);
	standin_cont(m);
	standin_write_all(m);
	compare(&a);
	compare(&b);
	view_end(&a);
	view_end(&b);
}

/* The one in the middle inherits and hands over: it dies once, at @point. */
static void dies_at(struct standin *m, const char *point)
{
	struct view v[3];

	say("%s", point);
	first(&v[0], m);
	setenv("VMFORK_VIEW_POINT", point, 1);
	view_start_next(&v[1], &v[0], m);
	unsetenv("VMFORK_VIEW_POINT");
	take(&v[1], &v[0], m);
	standin_progress(m, 500);
	view_start_next(&v[2], &v[1], m);
	take(&v[2], &v[1], m);
	standin_write_all(m);
	for (int i = 0; i < 3; i++) {
		compare(&v[i]);
		CHECK(view_number(&v[i], "restarts") == (i == 1));
	}
	for (int i = 0; i < 3; i++)
		view_end(&v[i]);
}

static void each_point(struct standin *m)
{
	static const char *const others[] = {
		"fault-read", "fault-kept", "fault-answered", "pass-protected",
		"keep-units", "keep-bytes", "keep-index", "frozen", "rebase-kept",
		"rebased", "let-go", "control-read", "read-memory",
	};
	char command[300], name[64];
	int n = 0;
	FILE *list;

	CHECK(getenv("SOURCE"));
	snprintf(command, sizeof(command),
		 "sed -n 's/.*POINT(\"\\(next-[a-z-]*\\)\").*/\\1/p' %s/*.c | sort -u",
		 getenv("SOURCE"));
	list = popen(command, "r");
	for (; fscanf(list, "%63s", name) == 1; n++)
		dies_at(m, name);
	pclose(list);
	CHECK(n >= 6);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		dies_at(m, others[i]);
}

static void kill_both(struct view *v)
{
	pid_t keeper = view_keeper(v), worker = view_worker(v);

	CHECK(kill(keeper, SIGKILL) == 0 && kill(worker, SIGKILL) == 0);
}

static int unmount(struct view *v)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/view", v->dir);
	return umount2(path, MNT_DETACH);
}

static void released(struct standin *m)
{
	while (atomic_load(&m->shared->closed) == 0)
		;
	atomic_store(&m->shared->closed, 0);
	standin_write_all(m);
}

/* The older server has no copies left after the rebase. */
static void both_die(struct standin *m)
{
	struct view a, b;

	first(&a, m);
	view_start_next(&b, &a, m);
	take(&b, &a, m);
	kill_both(&b);
	released(m);
	view_end(&a);
	/* Its mount is stale. */
	CHECK(unmount(&b) == 0);
	view_end(&b);
}

/* Both of the older one are dead before it handed over: the machine is released. */
static void older_dies(struct standin *m)
{
	struct view a, b;

	first(&a, m);
	view_start_next(&b, &a, m);
	ahead(&a, m);
	kill_both(&a);
	released(m);
	standin_stop(m);
	view_fails(&b, "{\"op\": \"freeze\"}", "does not hand over");
	standin_cont(m);
	CHECK(unmount(&a) == 0);
	view_end(&a);
	view_end(&b);
}

/* Armed ahead: what its end means is told apart as before. */
static void machine_goes(struct standin *m, bool close_it)
{
	struct view a, b;

	first(&a, m);
	view_start_next(&b, &a, m);
	ahead(&a, m);
	if (close_it)
		atomic_store(&m->shared->close, 1);
	else
		standin_kill(m);
	while (view_flag(&a, "live"))
		;
	CHECK(view_is(&a, close_it ? "dropped" : "frozen"));
	view_fails(&b, "{\"op\": \"freeze\"}", "does not hand over");
	if (!close_it)
		compare(&a);
	view_end(&a);
	view_end(&b);
}

/* Nothing was handed over: the older one goes on, and another one can follow. */
static void given_up_early(struct standin *m)
{
	struct view a, b, c;

	first(&a, m);
	view_start_next(&b, &a, m);
	ahead(&a, m);
	view_end(&b);
	standin_write_all(m);
	compare(&a);
	view_start_next(&c, &a, m);
	take(&c, &a, m);
	standin_write_all(m);
	compare(&a);
	compare(&c);
	CHECK(atomic_load(&m->shared->closed) == 0);
	view_end(&a);
	view_end(&c);
	released(m);
}

/* The machine stands: what the older view does not have is copied, as vmfork does it. */
static void given_up_late(struct standin *m)
{
	struct view a, b;
	char rest[300];
	int fd;

	first(&a, m);
	view_start_next(&b, &a, m);
	ahead(&a, m);
	standin_stop(m);
	view_freeze(&b, m);
	snprintf(rest, sizeof(rest), "%s/rest", a.dir);
	fd = open(rest, O_WRONLY | O_CREAT | O_EXCL, 0600);
	CHECK(fd >= 0 && write(fd, b.truth, b.size) == (ssize_t)b.size);
	close(fd);
	view_ok(&b, "{\"op\": \"close\", \"force\": true}");
	view_end(&b);
	rebase(&a, rest);
	standin_cont(m);
	released(m);
	compare(&a);
	view_end(&a);
}

/* A fault between the hand-over and the freeze waits for the next server. */
static void nobody_answers(struct standin *m)
{
	struct view a, b;
	int64_t faults;

	first(&a, m);
	view_start_next(&b, &a, m);
	ahead(&a, m);
	standin_stop(m);
	view_ok(&a, "{\"op\": \"hand-over\"}");
	faults = view_number(&a, "faults");
	standin_cont(m);
	for (int i = 0; i < 500; i++)
		CHECK(view_number(&a, "faults") == faults);
	/* All is protected, so that the memory is still the same now. */
	view_truth(&b, m);
	view_ok(&b, "{\"op\": \"freeze\"}");
	CHECK(view_torn(&b, m, b.truth) == 0);
	rebase_onto(&a, &b);
	standin_write_all(m);
	compare(&a);
	compare(&b);
	view_end(&a);
	view_end(&b);
	released(m);
}

static void refusals(struct standin *m)
{
	struct view a;

	view_start(&a, m, NULL);
	view_fails(&a, "{\"op\": \"hand-over\"}", "not frozen yet");
	standin_stop(m);
	view_freeze(&a, m);
	view_ok(&a, "{\"op\": \"detach\"}");
	view_fails(&a, "{\"op\": \"hand-over\"}", "not under our protection");
	view_fails(&a, "{\"op\": \"arm\"}", "frozen already");
	standin_cont(m);
	view_end(&a);
	released(m);
}

int main(void)
{
	struct standin m;

	need_root();
	standin_start(&m, 2, 1, SIZE, 0);
	standin_progress(&m, 1000);
	chain(&m);
	few_are_left(&m);
	released(&m);
	nobody_answers(&m);
	refusals(&m);
	both_die(&m);
	older_dies(&m);
	given_up_early(&m);
	given_up_late(&m);
	each_point(&m);
	machine_goes(&m, true);
	released(&m);
	machine_goes(&m, false);
	return 0;
}
