/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The real /dev/vmgenctr, where there is one. */
#include "test.h"

static int reseed(void *ctx)
{
	++*(int *)ctx;
	return 0;
}

int main(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	static const uint8_t zero[16];
	struct vmgen_info info;
	vmgen_epoch e;
	int n = 0;

	if (access("/dev/vmgenctr", F_OK) < 0)
		skip("no /dev/vmgenctr on this machine");
	CHECK(vmgen_open() == 0);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	CHECK(vmgen_sync(&info) == 0);
	CHECK(info.generation != 0);
	CHECK(memcmp(info.instance_id, zero, sizeof(zero)));
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	vmgen_guard_init(&g);
	e = vmgen_begin(&g, reseed, &n);
	CHECK(e != 0 && n == 1 && !vmgen_retry(&g, e));
	printf("generation %llu, %s mode\n", (unsigned long long)info.generation,
	       info.flags & VMGEN_INFO_HYPERVISOR ? "hypervisor" : "software");
	return 0;
}
