/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Without a counter, or without permission, a guard changes once and the status
 * says why.  A device that turns up later is picked up when the library looks
 * again, and every guard hears of it.
 */
#include "layouts.h"

static void without(int fd, enum vmgen_test_fault fault, int error,
		    enum vmgen_status status)
{
	vmgen_guard g = VMGEN_GUARD_INIT, late = VMGEN_GUARD_INIT;
	struct vmgen_info info;

	memset(&info, 0x5a, sizeof(info));
	CHECK(vmgen_test_fault(fd, fault) == 0);
	CHECK(vmgen_test_install(fd) == 0);
	CHECK(vmgen_open() == error);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_sync(&info) == error);
	CHECK(info.generation == UINT64_C(0x5a5a5a5a5a5a5a5a));
	CHECK(vmgen_status() == status);
	CHECK(!vmgen_changed(&g));

	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_changed(&late));
	CHECK(!vmgen_changed(&late));
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_changed(&late));
	CHECK(!vmgen_changed(&late));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(vmgen_changed(&g));
}

static void each_way(const struct layout *l)
{
	int fd = vmgen_test_create(l->flags);

	CHECK(fd >= 0);
	without(fd, VMGEN_TEST_REMOVE, l->removed, VMGEN_ABSENT);
	without(fd, VMGEN_TEST_DENY, -EACCES, VMGEN_DENIED);
}

int main(void)
{
	each_layout(each_way);
	CHECK(vmgen_test_create(64) == -EINVAL);
	CHECK(vmgen_test_install(0) == -EINVAL);
	CHECK(vmgen_test_install(9999) == -EBADF);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	return 0;
}
