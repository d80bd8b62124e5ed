/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A guard compares for equality: any other number is a change, be it smaller, zero, or
 * what comes after the largest.
 */
#include "layouts.h"

static vmgen_guard g = VMGEN_GUARD_INIT;

static void enter(int fd, uint64_t generation)
{
	struct vmgen_info info;

	CHECK(vmgen_test_set(fd, generation) == 0);
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_sync(&info) == 0);
	CHECK(info.generation == generation);
}

static void backwards(const struct layout *l)
{
	int fd = counter(l->flags);

	enter(fd, 7);
	enter(fd, 6);
	enter(fd, 1);
	enter(fd, 7);
	close(fd);
}

static void to_the_last(const struct layout *l)
{
	int fd = counter(l->flags);

	enter(fd, l->last);
	enter(fd, 1);
	enter(fd, l->last - 1);
	enter(fd, UINT32_MAX);
	enter(fd, UINT32_MAX - 1);
	close(fd);
}

/* Two numbers whose halves are equal are two numbers. */
static void each_half_counts(const struct layout *l)
{
	int fd = counter(l->flags);

	enter(fd, 5);
	if (l->last > UINT32_MAX) {
		enter(fd, (UINT64_C(1) << 32) + 5);
		enter(fd, (UINT64_C(1) << 32) + 6);
		enter(fd, 6);
	}
	close(fd);
}

/* A record is the number plus one, so that of the largest is that of no epoch. */
static void the_largest_is_not_trusted(const struct layout *l)
{
	vmgen_guard fresh = VMGEN_GUARD_INIT;
	int fd;

	if (l->last == UINT32_MAX)
		return;
	fd = counter(l->flags);
	enter(fd, 9);
	CHECK(vmgen_test_set(fd, UINT64_MAX) == 0);
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_changed(&fresh));
	CHECK(vmgen_changed(&fresh));
	CHECK(vmgen_sync(NULL) == -EOVERFLOW);
	CHECK(vmgen_status() == VMGEN_BROKEN);
	enter(fd, 9);
	close(fd);
}

/* Only /dev/vmgenctr says that 0 is no number. */
static void around_the_end(const struct layout *l)
{
	int fd;

	if (l->native)
		return;
	fd = counter(l->flags);
	enter(fd, l->last);
	enter(fd, 0);
	enter(fd, 1);
	enter(fd, 0);
	enter(fd, l->last);
	close(fd);
}

int main(void)
{
	each_layout(backwards);
	each_layout(to_the_last);
	each_layout(each_half_counts);
	each_layout(the_largest_is_not_trusted);
	each_layout(around_the_end);
	return 0;
}
