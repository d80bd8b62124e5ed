/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* seeds TARGET DIRECTORY: what a fuzzer starts from. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vmgenctr.h>

#include "vmclock.h"

static const char *directory;

static void seed(const char *name, const void *data, size_t size)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/seed-%s", directory, name);
	f = fopen(path, "w");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
		perror(path);
		exit(1);
	}
}

static void vmgenctr(void)
{
	struct {
		struct vmgenctr_generation_page generation;
		struct vmgenctr_status_page status;
	} pages = {
		.generation = {
			.magic = htole32(VMGENCTR_GENERATION_MAGIC),
			.size = htole32(sizeof(pages.generation)),
			.version = htole16(VMGENCTR_VERSION),
			.flags = htole64(VMGENCTR_F_HYPERVISOR),
			.generation = htole64(3),
		},
		.status = {
			.magic = VMGENCTR_STATUS_MAGIC,
			.size = sizeof(pages.status),
			.version = VMGENCTR_VERSION,
			.flags = VMGENCTR_STATUS_F_CRNG_RESEEDED,
			.ready_generation = 3,
			.instance_id = { 1, 2, 3 },
		},
	};

	seed("ready", &pages, sizeof(pages));
	pages.status.seq_count = 1;
	seed("busy", &pages, sizeof(pages));
	pages.generation.seq_count = htole32(1);
	seed("torn", &pages, sizeof(pages));
}

static void vmclock(void)
{
	struct vmclock_page page = {
		.magic = htole32(VMCLOCK_MAGIC),
		.size = htole32(0x1000),
		.version = htole16(VMCLOCK_VERSION),
		.flags = htole64(VMCLOCK_F_COUNTER),
		.generation = htole64(3),
	};

	seed("counter", &page, sizeof(page));
	page.seq_count = htole32(1);
	seed("torn", &page, sizeof(page));
	page.seq_count = 0;
	page.flags = 0;
	seed("clock", &page, sizeof(page));
}

static void sysgenid(void)
{
	static const uint32_t page[2] = { 3, 0 };

	seed("number", page, sizeof(page));
}

static void uevent(void)
{
	static const char linux68[] =
		"change@/devices/LNXSYSTM:00/LNXSYBUS:00/QEMUVGID:00\0ACTION=change\0"
		"DEVPATH=/devices/LNXSYSTM:00/LNXSYBUS:00/QEMUVGID:00\0SUBSYSTEM=acpi\0"
		"NEW_VMGENID=1\0MODALIAS=acpi:QEMUVGID:VM_GEN_COUNTER:\0SEQNUM=812";
	static const char ours[] =
		"change@/devices/virtual/misc/vmgenctr\0ACTION=change\0"
		"DEVPATH=/devices/virtual/misc/vmgenctr\0SUBSYSTEM=misc\0NEW_VMGENID=1\0"
		"VMGENCTR_GENERATION=3\0MAJOR=10\0MINOR=126\0DEVNAME=vmgenctr\0SEQNUM=900";
	static const char other[] =
		"change@/devices/virtual/block/loop0\0ACTION=change\0SEQNUM=901";

	seed("linux-6.8", linux68, sizeof(linux68));
	seed("ours", ours, sizeof(ours));
	seed("other", other, sizeof(other));
}

static const struct { const char *name; void (*make)(void); } targets[] = {
	{ "vmgenctr", vmgenctr },
	{ "vmclock", vmclock },
	{ "sysgenid", sysgenid },
	{ "uevent", uevent },
};

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 3)
		return 2;
	directory = argv[2];
	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
		if (!strcmp(argv[1], targets[i].name)) {
			targets[i].make();
			return 0;
		}
	return 2;
}
