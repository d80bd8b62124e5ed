/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * begin and retry: the state is reseeded in the epoch that begin returns, a change
 * in between is seen, and a reseed that does not succeed is not taken for done.
 */
#include <setjmp.h>

#include "test.h"

static vmgen_guard g = VMGEN_GUARD_INIT;
static int fd, reseeds, bumps, fail;
static jmp_buf out;

static int reseed(void *ctx)
{
	CHECK(ctx == &g);
	reseeds++;
	if (bumps > 0) {
		bumps--;
		CHECK(vmgen_test_bump(fd) == 0);
	}
	return fail;
}

static int leave(void *ctx)
{
	(void)ctx;
	longjmp(out, 1);
}

static vmgen_epoch begin(int expected)
{
	vmgen_epoch e;

	reseeds = 0;
	e = vmgen_begin(&g, reseed, &g);
	CHECK(reseeds == expected);
	return e;
}

static void once_per_generation(void)
{
	vmgen_epoch first = begin(1), second;

	CHECK(first != 0);
	CHECK(!vmgen_retry(&g, first));
	CHECK(begin(0) == first);
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_retry(&g, first));
	second = begin(1);
	CHECK(second != 0 && second != first);
	CHECK(!vmgen_retry(&g, second));
	CHECK(vmgen_retry(&g, first));
}

static void a_change_during_the_reseed_is_seen(void)
{
	vmgen_epoch e;

	CHECK(vmgen_test_bump(fd) == 0);
	bumps = 3;
	e = begin(4);
	CHECK(e != 0 && !vmgen_retry(&g, e));
	CHECK(!vmgen_changed(&g));
}

static void failure_is_not_success(void)
{
	CHECK(vmgen_test_bump(fd) == 0);
	fail = -EIO;
	CHECK(begin(1) == 0);
	CHECK(vmgen_retry(&g, 0));
	CHECK(begin(1) == 0);
	fail = 0;
	CHECK(begin(1) != 0);
}

static void leaving_is_not_success(void)
{
	CHECK(vmgen_test_bump(fd) == 0);
	if (setjmp(out) == 0)
		vmgen_begin(&g, leave, NULL);
	CHECK(begin(1) != 0);
}

static void what_cannot_be_checked_is_reseeded_each_time(void)
{
	vmgen_epoch e;

	CHECK(vmgen_test_fault(fd, VMGEN_TEST_WEDGE) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	e = begin(1);
	CHECK(e != 0 && !vmgen_retry(&g, e));
	CHECK(begin(1) != 0);
	CHECK(vmgen_status() == VMGEN_BROKEN);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(begin(1) != 0);
	CHECK(begin(0) != 0);
}

int main(void)
{
	fd = counter(0);
	once_per_generation();
	a_change_during_the_reseed_is_seen();
	failure_is_not_success();
	leaving_is_not_success();
	what_cannot_be_checked_is_reseeded_each_time();
	return 0;
}
