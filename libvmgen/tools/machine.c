/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "machine.h"

static bool any_path(const char *pattern)
{
	glob_t found;
	bool any = glob(pattern, 0, NULL, &found) == 0;

	if (any)
		globfree(&found);
	return any;
}

/* x86 has a CPU flag for it, and other architectures have no such line. */
bool machine_is_virtual(void)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	bool flags = false, hypervisor = false;
	size_t size = 0;
	char *line = NULL;

	if (!f)
		return true;
	while (!flags && getline(&line, &size, f) > 0) {
		flags = strncmp(line, "flags", 5) == 0;
		hypervisor = flags && strstr(line, " hypervisor");
	}
	free(line);
	fclose(f);
	return hypervisor || !flags;
}

static bool line_contains(const char *path, const char *word)
{
	FILE *f = fopen(path, "re");
	char line[256];
	bool found;

	if (!f)
		return false;
	found = fgets(line, sizeof(line), f) && strcasestr(line, word);
	fclose(f);
	return found;
}

bool machine_has_vmgenid(void)
{
	glob_t all;
	bool found = false;
	size_t i;

	if (glob("/sys/bus/acpi/devices/*/modalias", 0, NULL, &all) != 0)
		return false;
	for (i = 0; i < all.gl_pathc && !found; i++)
		found = line_contains(all.gl_pathv[i], "VM_GEN_COUNTER") ||
			line_contains(all.gl_pathv[i], ":VMGENCTR:");
	globfree(&all);
	return found;
}

/* Devices of the ACPI bus are named HID:INSTANCE, and drivers have links to them. */
bool kernel_hears_of_restores(void)
{
	return any_path("/sys/bus/acpi/drivers/vmgenid/*:*") ||
	       any_path("/sys/bus/platform/drivers/vmgenid/*:*");
}

bool counter_is_hidden(void)
{
	return access("/sys/class/misc/vmgenctr", F_OK) == 0 &&
	       access("/dev/vmgenctr", F_OK) < 0;
}

bool counter_is_denied(void)
{
	static const char *const nodes[] = {
		"/dev/vmgenctr", "/dev/vmclock0", "/dev/sysgenid",
	};
	size_t i;

	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (access(nodes[i], R_OK) < 0 && (errno == EACCES || errno == EPERM))
			return true;
	return false;
}

enum random_state kernel_random_state(void)
{
	char byte;

	if (getrandom(&byte, 1, GRND_NONBLOCK) == 1)
		return RANDOM_READY;
	return errno == EAGAIN ? RANDOM_NOT_YET : RANDOM_FAILS;
}

/* An emulator that fakes success does so for advice that does not exist, too. */
bool kernel_wipes_on_fork(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	bool wipes;

	if (p == MAP_FAILED)
		return false;
	wipes = madvise(p, size, -1) < 0 && madvise(p, size, MADV_WIPEONFORK) == 0;
	munmap(p, size);
	return wipes;
}
