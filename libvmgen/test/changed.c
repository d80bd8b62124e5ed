/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A guard sees a change on first use, and once after each change of the generation. */
#include "../src/lib.h"
#include "test.h"

#define RECORDS	(VMGEN_PAIRS * VMGEN_PAGE_RECORDS)

static vmgen_guard a = VMGEN_GUARD_INIT;
static vmgen_guard b = VMGEN_GUARD_INIT;

static void no_guard_steals_from_another(int fd)
{
	CHECK(vmgen_changed(&a));
	CHECK(!vmgen_changed(&a));
	CHECK(vmgen_changed(&b));
	CHECK(!vmgen_changed(&b));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_changed(&b));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_changed(&a));
	CHECK(!vmgen_changed(&a));
	CHECK(vmgen_changed(&b));
	CHECK(!vmgen_changed(&b));
}

static void on_the_heap(void)
{
	vmgen_guard *g = malloc(sizeof(*g));

	CHECK(g);
	vmgen_guard_init(g);
	CHECK(vmgen_changed(g));
	CHECK(!vmgen_changed(g));
	vmgen_guard_init(g);
	CHECK(vmgen_changed(g));
	free(g);
}

/*
 * More epochs than one frame has records; none is taken for an earlier one.  When all are
 * used, each check is a change until the library may map another frame.
 */
static void many_generations(int fd)
{
	vmgen_guard sleeper = VMGEN_GUARD_INIT, woken;
	int i, n;

	CHECK(vmgen_changed(&sleeper));
	for (n = 0; n < 3; n++) {
		(void)vmgen_changed(&a);
		for (i = 0; !vmgen_changed(&a); i++) {
			CHECK(vmgen_test_bump(fd) == 0);
			CHECK(vmgen_changed(&a));
			woken = sleeper;
			CHECK(vmgen_changed(&woken));
		}
		CHECK(i > RECORDS / 2 && i <= RECORDS);
		CHECK(vmgen_changed(&a));
		CHECK(vmgen_open() == 0);
	}
	CHECK(vmgen_changed(&a) && !vmgen_changed(&a));
}

static void any_difference_is_a_change(int fd)
{
	static const uint64_t values[] = {
		7, 6, 1, UINT64_MAX - 1, 1, UINT64_C(1) << 32, (UINT64_C(1) << 32) + 5, 5,
	};
	struct vmgen_info info;
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		CHECK(vmgen_test_set(fd, values[i]) == 0);
		CHECK(vmgen_changed(&a));
		CHECK(!vmgen_changed(&a));
		CHECK(vmgen_sync(&info) == 0);
		CHECK(info.generation == values[i]);
	}
}

/* A record is the generation plus one, and 0 is taken. */
static void the_last_value_is_never_trusted(int fd)
{
	CHECK(vmgen_test_set(fd, UINT64_MAX) == 0);
	CHECK(vmgen_changed(&a));
	CHECK(vmgen_changed(&a));
	CHECK(vmgen_status() == VMGEN_BROKEN);
	CHECK(vmgen_test_set(fd, 8) == 0);
	CHECK(vmgen_changed(&a));
	CHECK(!vmgen_changed(&a));
}

int main(void)
{
	int fd = counter(0);

	no_guard_steals_from_another(fd);
	on_the_heap();
	many_generations(fd);
	any_difference_is_a_change(fd);
	the_last_value_is_never_trusted(fd);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	return 0;
}
