/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The same guards work on every kind of counter, and what the library says of it is
 * what that kind can know.
 */
#include "layouts.h"

static int reseed(void *ctx)
{
	++*(int *)ctx;
	return 0;
}

static void every_change_is_seen_once(const struct layout *l)
{
	vmgen_guard g = VMGEN_GUARD_INIT, sleeper = VMGEN_GUARD_INIT, woken;
	int fd = counter(l->flags), i;

	CHECK(vmgen_changed(&g));
	CHECK(vmgen_changed(&sleeper));
	CHECK(!vmgen_changed(&g));
	/* More epochs than one frame has records. */
	for (i = 0; i < 100; i++) {
		CHECK(vmgen_test_bump(fd) == 0);
		CHECK(vmgen_test_ready(fd) == 0);
		CHECK(vmgen_changed(&g));
		CHECK(!vmgen_changed(&g));
		woken = sleeper;
		CHECK(vmgen_changed(&woken));
	}
	close(fd);
}

static void retry_sees_a_change(const struct layout *l)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	int fd = counter(l->flags), n = 0;
	vmgen_epoch e = vmgen_begin(&g, reseed, &n);

	CHECK(e != 0 && n == 1);
	CHECK(!vmgen_retry(&g, e));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(vmgen_retry(&g, e));
	e = vmgen_begin(&g, reseed, &n);
	CHECK(n == 2 && !vmgen_retry(&g, e));
	close(fd);
}

static void fork_is_seen_where_it_can_be(const struct layout *l)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	int fd = counter(l->flags);
	struct vmgen_info info;
	pid_t pid;

	CHECK(vmgen_changed(&g));
	CHECK(vmgen_sync(&info) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_changed(&g) == !!(info.flags & VMGEN_INFO_FORK));
		CHECK(!vmgen_changed(&g));
		CHECK(vmgen_test_bump(fd) == 0 && vmgen_test_ready(fd) == 0);
		CHECK(vmgen_changed(&g));
		_exit(0);
	}
	reap(pid);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	close(fd);
}

static void nothing_is_claimed_that_is_not_known(const struct layout *l)
{
	static const uint8_t zero[16];
	struct vmgen_info info;
	int fd = counter(l->flags);

	CHECK(vmgen_test_set(fd, 5) == 0);
	memset(&info, 0x5a, sizeof(info));
	CHECK(vmgen_sync(&info) == 0);
	CHECK(info.generation == 5);
	CHECK(info.backend == VMGEN_BACKEND_TEST);
	CHECK(!(info.flags & VMGEN_INFO_CRNG_RESEEDED) == !l->native);
	CHECK(!(info.flags & VMGEN_INFO_HYPERVISOR) == !(l->native && !l->flags));
	CHECK(!memcmp(info.instance_id, zero, 16) == !l->native);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	close(fd);
}

int main(void)
{
	each_layout(every_change_is_seen_once);
	each_layout(retry_sees_a_change);
	each_layout(fork_is_seen_where_it_can_be);
	each_layout(nothing_is_claimed_that_is_not_known);
	CHECK(vmgen_test_create(VMGEN_TEST_VMCLOCK | VMGEN_TEST_SYSGENID) == -EINVAL);
	CHECK(vmgen_test_create(VMGEN_TEST_VMCLOCK | VMGEN_TEST_SOFTWARE) == -EINVAL);
	return 0;
}
