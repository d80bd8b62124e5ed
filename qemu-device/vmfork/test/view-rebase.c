/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A second view of the machine; the first stands on it.  Both right, closed in any order. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (32u << 20)

static const char *rebase(struct view *onto)
{
	static char request[600];

	snprintf(request, sizeof(request), "{\"op\": \"rebase\", \"ram\": \"%s/view/ram\"}",
		 onto->dir);
	return request;
}

/* As vmfork does it: the older lets go while the machine stands, and is rebased then. */
static void second(struct view *a, struct view *b, struct standin *m)
{
	standin_stop(m);
	view_ok(a, "{\"op\": \"detach\"}");
	view_ok(a, "{\"op\": \"detach\"}");
	CHECK(!view_flag(a, "live"));
	view_start(b, m, NULL);
	view_fails(a, rebase(b), "is it frozen?");
	view_freeze(b, m);
	view_ok(a, rebase(b));
	view_ok(a, rebase(b));
	standin_cont(m);
	standin_write_all(m);
}

static void compare(struct view *v)
{
	int fd = view_open(v);

	view_compare(v, fd);
	CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	close(fd);
}

static void both(struct standin *m, bool older_first)
{
	struct view a, b;

	view_start(&a, m, NULL);
	view_fails(&a, "{\"op\": \"detach\"}", "not frozen yet");
	standin_stop(m);
	view_freeze(&a, m);
	standin_cont(m);
	standin_progress(m, 2000);
	second(&a, &b, m);
	compare(&a);
	compare(&b);
	/* The kernel tells it of files that were closed a moment later. */
	while (view_number(&b, "users") > 1)
		;
	CHECK(view_number(&b, "users") == 1);
	view_fails(&b, "{\"op\": \"close\"}", "in use");
	if (older_first) {
		view_end(&a);
		compare(&b);
		view_end(&b);
		return;
	}
	/* The younger is taken away by force: the older one says so. */
	view_ok(&b, "{\"op\": \"close\", \"force\": true}");
	view_end(&b);
	{
		int fd = view_open(&a);
		char buf[4096];
		int failed = 0;

		for (uint64_t at = 0; at < SIZE; at += sizeof(buf)) {
			ssize_t n = pread(fd, buf, sizeof(buf), at);

			failed += n < 0 && errno == EIO;
			CHECK(n < 0 || memcmp(buf, a.truth + at, n) == 0);
		}
		CHECK(failed > 0);
		close(fd);
	}
	view_end(&a);
}

static void chain(struct standin *m)
{
	struct view v[4];

	view_start(&v[0], m, NULL);
	standin_stop(m);
	view_freeze(&v[0], m);
	standin_cont(m);
	for (int i = 1; i < 4; i++) {
		standin_progress(m, 500);
		second(&v[i - 1], &v[i], m);
	}
	for (int i = 0; i < 4; i++)
		compare(&v[i]);
	for (int i = 0; i < 4; i++)
		view_end(&v[i]);
}

static void refusals(struct standin *m)
{
	struct view v;

	view_start(&v, m, NULL);
	view_fails(&v, rebase(&v), "on itself");
	view_fails(&v, "{\"op\": \"rebase\", \"ram\": \"/dev/null\"}", "another machine");
	view_fails(&v, "{\"op\": \"rebase\", \"ram\": \"/nowhere\"}", "No such file");
	view_fails(&v, "{\"op\": \"rebase\"}", "needs a path");
	view_fails(&v, "{\"op\": \"rebase\", \"ram\": 7}", "needs a path");
	view_end(&v);
}

/* A reader that had looked where to read is held while the view changes to stand on
 * another, and the memory is written. */
static void held_reader(struct standin *m)
{
	struct view a, b;
	struct gate g;

	gate_open(&g, "read-index");
	view_start(&a, m, NULL);
	standin_stop(m);
	view_freeze(&a, m);
	gate_reader(&g, &a);
	second(&a, &b, m);
	CHECK(gate_release(&g) == 0);
	view_end(&a);
	view_end(&b);
}

int main(void)
{
	struct standin m;

	need_root();
	standin_start(&m, 2, 1, SIZE, 0);
	standin_progress(&m, 1000);
	refusals(&m);
	both(&m, true);
	both(&m, false);
	chain(&m);
	held_reader(&m);
	standin_kill(&m);
	return 0;
}
