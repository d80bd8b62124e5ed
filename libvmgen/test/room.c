/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A process that cannot open its device any more, having given up privileges or its
 * root directory, has room for a number of epochs.  A counter that is kept open is
 * followed for ever; of another it is told when the room is used up: whatever is said
 * to be active sees every restore.
 */
#include "../src/lib.h"
#include "layouts.h"

#define RECORDS	(VMGEN_PAIRS * VMGEN_PAGE_RECORDS)

static vmgen_guard g;

static int reseed(void *ctx)
{
	(void)ctx;
	return 0;
}

static int restore(int fd)
{
	return vmgen_test_bump(fd) < 0 ? -1 : vmgen_test_ready(fd);
}

/* Is a restore seen that happens while something is made? */
static bool restore_is_seen(int fd)
{
	vmgen_epoch e = vmgen_begin(&g, reseed, NULL);

	CHECK(e != 0);
	CHECK(restore(fd) == 0);
	return vmgen_retry(&g, e);
}

static void for_many_epochs(const struct layout *l)
{
	int fd = counter(l->flags), i, active = 0;

	vmgen_guard_init(&g);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_DENY) == 0);
	for (i = 0; i < 3 * RECORDS && vmgen_status() == VMGEN_ACTIVE; i++)
		active += restore_is_seen(fd);
	CHECK(active == i);
	if (i < 3 * RECORDS) {
		CHECK(!l->native && i >= RECORDS - 2);
		CHECK(vmgen_status() == VMGEN_BROKEN && vmgen_sync(NULL) == -ENOSPC);
		CHECK(vmgen_changed(&g) && vmgen_changed(&g));
	}
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	CHECK(vmgen_changed(&g) && !vmgen_changed(&g));
	close(fd);
}

int main(void)
{
	each_layout(for_many_epochs);
	return 0;
}
