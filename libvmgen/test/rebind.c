/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The real driver is unbound and bound again under guards in use.  It changes the
 * machine, so it is only done when VMGEN_TEST_REBIND is in the environment, in a
 * guest that is there for it.
 */
#include <dirent.h>
#include <fcntl.h>

#include "test.h"

#define DRIVER	"/sys/bus/platform/drivers/vmgenid"

static char device[256];

static void find_device(void)
{
	DIR *dir = opendir(DRIVER);
	struct dirent *entry;
	char path[600];

	if (!dir)
		skip("no vmgenid driver");
	while ((entry = readdir(dir)) && !device[0]) {
		snprintf(path, sizeof(path), DRIVER "/%s/driver", entry->d_name);
		if (access(path, F_OK) == 0)
			memcpy(device, entry->d_name, strlen(entry->d_name) + 1);
	}
	closedir(dir);
	if (!device[0])
		skip("no device is bound to it");
}

static void driver(const char *what)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), DRIVER "/%s", what);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK(write(fd, device, strlen(device)) == (ssize_t)strlen(device));
	close(fd);
}

static void while_unbound(vmgen_guard *g, bool software)
{
	vmgen_guard fresh = VMGEN_GUARD_INIT;

	CHECK(vmgen_status() == VMGEN_ABSENT);
	/* The hypervisor's page goes on telling the truth, the driver's does not. */
	CHECK(vmgen_changed(g) == software);
	CHECK(vmgen_changed(g) == software);
	/* What cannot be confirmed by the kernel is a change. */
	CHECK(vmgen_changed(&fresh));
	CHECK(vmgen_changed(&fresh));
}

int main(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	struct vmgen_info before, after;
	bool software;
	int i;

	if (!getenv("VMGEN_TEST_REBIND"))
		skip("VMGEN_TEST_REBIND is not set");
	find_device();
	CHECK(vmgen_changed(&g));
	for (i = 0; i < 50; i++) {
		CHECK(!vmgen_changed(&g));
		CHECK(vmgen_sync(&before) == 0);
		software = !(before.flags & VMGEN_INFO_HYPERVISOR);
		driver("unbind");
		while_unbound(&g, software);
		driver("bind");
		CHECK(vmgen_status() == VMGEN_ACTIVE);
		CHECK(vmgen_sync(&after) == 0);
		CHECK(after.generation == before.generation + software);
		CHECK(vmgen_changed(&g));
	}
	return 0;
}
