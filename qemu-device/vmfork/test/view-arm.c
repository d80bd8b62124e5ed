/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Passes beside busy writers come to an end, and leave little; a freeze is right after any
 * number of passes, of several blocks.
 */
#include <string.h>
#include <stdlib.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (64u << 20)

static int64_t number(const char *reply, const char *name)
{
	const char *at = strstr(reply, name);

	CHECK(at);
	return atoll(at + strlen(name) + 2);
}

static void passes(struct standin *m, int arms)
{
	struct view v;
	int fd;

	view_start(&v, m, NULL);
	for (int i = 0; i < arms; i++) {
		const char *reply = view_ask(&v, "{\"op\": \"arm\"}");

		say("%s", reply);
		CHECK(strstr(reply, "\"ok\":true"));
		CHECK(number(reply, "passes") <= 16);
		CHECK(number(reply, "left") < (int64_t)(m->size / 4096));
		CHECK(view_is(&v, "arming"));
		standin_progress(m, 5000);
	}
	CHECK(arms == 0 || view_number(&v, "faults") > 0);
	CHECK(view_number(&v, "kept") == 0);
	standin_stop(m);
	view_freeze(&v, m);
	standin_cont(m);
	standin_write_all(m);
	fd = view_open(&v);
	view_compare(&v, fd);
	close(fd);
	view_end(&v);
}

int main(void)
{
	struct standin m;

	need_root();
	standin_start(&m, 2, 2, SIZE, 0);
	standin_write_all(&m);
	for (int arms = 0; arms <= 3; arms++)
		passes(&m, arms);
	standin_kill(&m);
	return 0;
}
