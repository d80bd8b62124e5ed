/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * /dev/vmclock0 as hosts show it that do not go as far as ours: a clock without a counter
 * is none of ours however short it is, one that cannot be mapped leaves nothing torn, and
 * one that ceases to notify ends a watch instead of keeping it busy.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../src/vmclock.h"
#include "device-files.h"

#define CLOCK	"/dev/vmclock0"

static bool silent;
static int watched = -1, unmapped;

/* Plain files cannot be polled. */
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	(void)epoll;
	(void)event;
	CHECK(op == EPOLL_CTL_ADD || fd == watched);
	watched = op == EPOLL_CTL_ADD ? fd : -1;
	return 0;
}

int poll(struct pollfd *p, nfds_t n, int timeout)
{
	(void)n;
	(void)timeout;
	p->revents = silent ? POLLHUP : 0;
	return silent;
}

/* What is unmapped has been there until now, and is nobody else's. */
int munmap(void *at, size_t size)
{
	unsigned char pages[64];

	CHECK(size / (size_t)sysconf(_SC_PAGESIZE) <= sizeof(pages));
	CHECK(mincore(at, size, pages) == 0);
	unmapped++;
	return (int)syscall(SYS_munmap, at, size);
}

static void clock_is(uint32_t size, uint64_t flags)
{
	struct vmclock_page page = {
		.magic = VMCLOCK_MAGIC, .version = VMCLOCK_VERSION, .size = size,
		.flags = flags, .generation = 5,
	};

	close(device_file(CLOCK, sysconf(_SC_PAGESIZE), &page, sizeof(page)));
}

static void without_a_counter(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	uint32_t before = offsetof(struct vmclock_page, generation);

	clock_is(before, 0);
	CHECK(vmgen_status() == VMGEN_ABSENT || vmgen_status() == VMGEN_NOTIFY_ONLY);
	CHECK(vmgen_changed(&g) && !vmgen_changed(&g));
	clock_is(before, VMCLOCK_F_COUNTER);
	CHECK(vmgen_status() == VMGEN_BROKEN);
}

static void cannot_be_mapped(void)
{
	/* One that says no late. */
	CHECK(symlink("/proc/version", CLOCK) == 0);
	CHECK(vmgen_status() == VMGEN_BROKEN);
	CHECK(unmapped > 0);
}

static void ceases_to_notify(void)
{
	vmgen_watch *w;
	int i;

	clock_is(sizeof(struct vmclock_page), VMCLOCK_F_COUNTER);
	CHECK(vmgen_watch_new(&w) == 0);
	CHECK(vmgen_watch_dispatch(w, NULL) == 0 && watched >= 0);
	silent = true;
	for (i = 0; i < 3; i++) {
		CHECK(vmgen_watch_dispatch(w, NULL) == -EOPNOTSUPP && watched < 0);
		CHECK(vmgen_watch_wait(w, -1, NULL) == -EOPNOTSUPP);
		silent = false;
	}
	vmgen_watch_free(w);
}

int main(void)
{
	own_dev();
	in_own_process(without_a_counter);
	unlink(CLOCK);
	in_own_process(cannot_be_mapped);
	unlink(CLOCK);
	in_own_process(ceases_to_notify);
	return 0;
}
