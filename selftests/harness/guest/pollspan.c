// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * pollspan: opens /dev/vmgenctr several times, blocks in poll(), prints
 * "polling", and reports after the snapshot in which it was frozen has been
 * restored, one name=value line for each thing that poll and epoll say.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include "guest.h"

static int new_epoll(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0)
		die("epoll_create1");
	return ep;
}

static void add(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl");
}

static bool epoll_ready(int ep)
{
	struct epoll_event ev;
	int n = epoll_wait(ep, &ev, 1, 0);

	if (n < 0)
		die("epoll_wait");
	return n == 1;
}

static int events_of(int fd, int timeout)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLRDNORM };

	if (poll(&p, 1, timeout) < 0)
		die("poll");
	return p.revents;
}

int main(void)
{
	int woken = open_counter(), other = open_counter();
	int level = new_epoll(), edge = new_epoll(), late = new_epoll();

	add(level, other, EPOLLIN);
	add(edge, other, EPOLLIN | EPOLLET);
	printf("before=%d\n", events_of(woken, 0) | events_of(other, 0));
	puts("polling");
	fflush(stdout);

	printf("wakeup=%d\n", events_of(woken, -1));
	printf("still=%d\n", events_of(woken, 0));
	read_counter(woken);
	printf("after_read=%d\n", events_of(woken, 0));
	printf("other_file=%d\n", events_of(other, 0));
	printf("level=%d\n", epoll_ready(level));
	printf("level_again=%d\n", epoll_ready(level));
	printf("edge=%d\n", epoll_ready(edge));
	printf("edge_again=%d\n", epoll_ready(edge));
	add(late, other, EPOLLIN | EPOLLET);
	printf("added_late=%d\n", epoll_ready(late));
	printf("not_eaten_by_add=%d\n", events_of(other, 0));
	read_counter(other);
	printf("level_after_read=%d\n", epoll_ready(level));
	printf("new_file=%d\n", events_of(open_counter(), 0));
	return 0;
}
