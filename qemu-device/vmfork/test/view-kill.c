/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The worker dies, by kill -9: at each point that the source names, once, and at any time,
 * again and again.  Writers and readers go on; all that is read is as it was.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (16u << 20)

static _Atomic bool enough;
static _Atomic int rounds;

static void *reader(void *view)
{
	struct view *v = view;

	while (!atomic_load(&enough)) {
		int fd = view_open(v);

		view_compare(v, fd);
		CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
		close(fd);
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

static pthread_t start_reader(struct view *v)
{
	pthread_t thread;

	atomic_store(&enough, false);
	atomic_store(&rounds, 0);
	CHECK(pthread_create(&thread, NULL, reader, v) == 0);
	return thread;
}

static void end_reader(pthread_t thread)
{
	while (atomic_load(&rounds) < 2)
		usleep(1000);
	atomic_store(&enough, true);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void rebase(struct view *a, struct view *b, struct standin *m)
{
	char request[600];

	standin_stop(m);
	view_ok(a, "{\"op\": \"detach\"}");
	view_start(b, m, NULL);
	view_freeze(b, m);
	snprintf(request, sizeof(request), "{\"op\": \"rebase\", \"ram\": \"%s/view/ram\"}",
		 b->dir);
	view_ok(a, request);
	standin_cont(m);
	standin_write_all(m);
}

/* All that a view does, in one life. */
static void life(struct standin *m, const char *point)
{
	struct view a, b;
	pthread_t thread;
	char how[64];

	snprintf(how, sizeof(how), "%s", point);
	setenv("VMFORK_VIEW_POINT", how, 1);
	view_start(&a, m, NULL);
	unsetenv("VMFORK_VIEW_POINT");
	for (int i = 0; i < 3; i++) {
		view_ok(&a, "{\"op\": \"arm\"}");
		standin_progress(m, 500);
	}
	standin_stop(m);
	view_freeze(&a, m);
	standin_cont(m);
	thread = start_reader(&a);
	standin_write_all(m);
	end_reader(thread);
	rebase(&a, &b, m);
	thread = start_reader(&a);
	end_reader(thread);
	if (strcmp(point, "unmounted") != 0)
		CHECK(view_number(&a, "restarts") == 1);
	CHECK(view_number(&b, "restarts") == 0);
	view_end(&a);
	thread = start_reader(&b);
	end_reader(thread);
	view_end(&b);
}

static int each_point(struct standin *m)
{
	char command[300], name[64];
	int n = 0;
	FILE *list;

	CHECK(getenv("SOURCE"));
	snprintf(command, sizeof(command), "sed -n 's/.*POINT(\"\\([a-z-]*\\)\").*/\\1/p' "
		 "%s/*.c | sort -u", getenv("SOURCE"));
	list = popen(command, "r");
	for (; fscanf(list, "%63s", name) == 1; n++) {
		/* Of two servers: view-next.c. */
		if (strncmp(name, "next-", 5) == 0)
			continue;
		say("%s", name);
		life(m, name);
	}
	pclose(list);
	return n;
}

static void any_time(struct standin *m, int times)
{
	struct view v;
	pthread_t thread;
	unsigned int seed = 1;

	view_start(&v, m, NULL);
	standin_stop(m);
	view_freeze(&v, m);
	standin_cont(m);
	thread = start_reader(&v);
	for (int i = 0; i < times; i++) {
		pid_t worker = 0;

		usleep(rand_r(&seed) % 20000);
		while (!worker)
			worker = view_worker(&v);
		CHECK(kill(worker, SIGKILL) == 0);
		standin_progress(m, 100);
	}
	standin_write_all(m);
	end_reader(thread);
	CHECK(view_number(&v, "restarts") >= times / 2);
	say("%d kills, %d restarts", times, (int)view_number(&v, "restarts"));
	view_end(&v);
}

int main(void)
{
	struct standin m;
	int n;

	need_root();
	standin_start(&m, 2, 1, SIZE, 0);
	standin_progress(&m, 1000);
	n = each_point(&m);
	CHECK(n >= 15);
	any_time(&m, 40);
	standin_kill(&m);
	return 0;
}
