/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Threads wait, each with a watch of its own, and all get to the last change. */
#include <pthread.h>

#include "watch.h"

#define THREADS	4
#define LAST	200

static void count(void *ctx, const struct vmgen_info *now)
{
	(void)now;
	++*(int *)ctx;
}

static void *waiter(void *arg)
{
	struct vmgen_info now = { .generation = 0 };
	uint64_t before = 0;
	vmgen_watch *w = arg;
	int calls = 0, changes = 0;

	CHECK(vmgen_watch_add(w, 0, count, &calls) == 0);
	while (now.generation != LAST) {
		CHECK(vmgen_watch_wait(w, -1, &now) == 1);
		CHECK(now.generation > before);
		before = now.generation;
		changes++;
	}
	CHECK(calls == changes && changes < LAST);
	CHECK(vmgen_watch_wait(w, 0, &now) == 0);
	vmgen_watch_free(w);
	return NULL;
}

int main(void)
{
	int fd = watchable_counter(0), i;
	pthread_t thread[THREADS];

	for (i = 0; i < THREADS; i++)
		CHECK(pthread_create(&thread[i], NULL, waiter, watch()) == 0);
	for (i = 2; i <= LAST; i++)
		CHECK(vmgen_test_set(fd, (uint64_t)i) == 0);
	for (i = 0; i < THREADS; i++)
		CHECK(pthread_join(thread[i], NULL) == 0);
	return 0;
}
