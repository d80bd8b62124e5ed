/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * An event loop that is told when its machine was restored.  What was made before,
 * here a cache, is dropped by a callback; what must never exist twice is not made
 * here, but guarded where it is made.  Ends at SIGTERM.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <vmgen.h>

static unsigned int cache[16];

static void drop_cache(void *ctx, const struct vmgen_info *now)
{
	(void)now;
	memset(ctx, 0, sizeof(cache));
	puts("dropped the cache");
}

/* False positives, as after a live migration, are filtered here: r is 0. */
static void restored(vmgen_watch *watch)
{
	struct vmgen_info now;
	int r = vmgen_watch_dispatch(watch, &now);

	if (r > 0)
		printf("generation %" PRIu64 "\n", now.generation);
	else if (r == -ENODEV)
		puts("the counter has gone");
	else if (r < 0)
		printf("error: %s\n", strerror(-r));
	fflush(stdout);
}

static int add(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int terminated(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int main(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), end = terminated(), r;
	struct epoll_event event;
	vmgen_watch *watch;

	r = vmgen_watch_new(&watch);
	if (r < 0) {
		fprintf(stderr, "cannot wait for a restore: %s\n", strerror(-r));
		return 1;
	}
	if (vmgen_watch_add(watch, 0, drop_cache, cache) < 0 ||
	    add(epoll, vmgen_watch_fd(watch)) < 0 || add(epoll, end) < 0)
		return 1;
	puts("watching");
	fflush(stdout);
	for (;;) {
		r = epoll_wait(epoll, &event, 1, -1);
		if (r < 0 && errno != EINTR)
			return 1;
		if (r == 1 && event.data.fd == end)
			break;
		if (r == 1)
			restored(watch);
	}
	vmgen_watch_free(watch);
	return 0;
}
