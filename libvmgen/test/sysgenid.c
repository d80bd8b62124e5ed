/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * /dev/sysgenid: 32 bits that guards look at as 64.  What is behind them is zero, or
 * nothing is known.
 */
#include <sys/mman.h>

#include "test.h"

static vmgen_guard g = VMGEN_GUARD_INIT;

static uint32_t *map_numbers(int fd)
{
	uint32_t *p = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* From the largest to 0, as an unsigned counter goes on. */
static void it_wraps(void)
{
	int fd = counter(VMGEN_TEST_SYSGENID);
	uint32_t *number = map_numbers(fd);
	struct vmgen_info info;
	int i;

	__atomic_store_n(number, UINT32_MAX - 3, __ATOMIC_RELAXED);
	CHECK(vmgen_changed(&g));
	for (i = 0; i < 8; i++) {
		CHECK(!vmgen_changed(&g));
		__atomic_fetch_add(number, 1, __ATOMIC_RELAXED);
		CHECK(vmgen_changed(&g));
		CHECK(vmgen_sync(&info) == 0);
		CHECK(info.generation == (uint32_t)(UINT32_MAX - 2 + (uint32_t)i));
	}
	CHECK(*number == 4);
}

static void what_is_behind_it_is_zero(void)
{
	int fd = counter(VMGEN_TEST_SYSGENID);
	uint32_t *number = map_numbers(fd);

	CHECK(vmgen_changed(&g));
	__atomic_store_n(number + 1, 1, __ATOMIC_RELAXED);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_sync(NULL) == -EBADMSG);
	CHECK(vmgen_status() == VMGEN_BROKEN);
	__atomic_store_n(number + 1, 0, __ATOMIC_RELAXED);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_status() == VMGEN_ACTIVE);
}

/* Who has it mapped keeps the driver in the kernel; the others find none. */
static void a_mapping_outlives_the_node(void)
{
	int fd = counter(VMGEN_TEST_SYSGENID);

	CHECK(vmgen_changed(&g));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_test_install(fd) == 0);
	CHECK(vmgen_status() == VMGEN_ABSENT);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
}

int main(void)
{
	it_wraps();
	what_is_behind_it_is_zero();
	a_mapping_outlives_the_node();
	return 0;
}
