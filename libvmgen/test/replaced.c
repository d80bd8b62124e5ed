/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Another counter takes the place of the first: every guard hears of it. */
#include "test.h"

static int reseed(void *ctx)
{
	(void)ctx;
	return 0;
}

int main(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT, asleep = VMGEN_GUARD_INIT;
	struct vmgen_info info;
	int first = counter(0), second;
	vmgen_epoch e;

	CHECK(vmgen_changed(&asleep));
	e = vmgen_begin(&g, reseed, NULL);
	CHECK(!vmgen_retry(&g, e));
	second = counter(0);
	CHECK(vmgen_retry(&g, e));
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));

	/* The old counter is of no importance any more, the new one is. */
	CHECK(vmgen_test_bump(first) == 0);
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_test_set(second, 7) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_sync(&info) == 0 && info.generation == 7);

	/* Back to what the machine has, if anything. */
	CHECK(vmgen_test_install(-1) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_test_bump(second) == 0);
	CHECK(!vmgen_changed(&g) || vmgen_status() == VMGEN_BROKEN);
	CHECK(vmgen_changed(&asleep));
	return 0;
}
