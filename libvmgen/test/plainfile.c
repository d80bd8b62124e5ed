/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A plain file, a directory, or another device where a counter should be is no counter,
 * whatever is in it, and a file that is too short is no SIGBUS.
 */
#include <linux/vmgenctr.h>
#include <sys/sysmacros.h>

#include "../src/vmclock.h"
#include "device-files.h"

/* No driver that sends uevents, whatever this machine has: the status is of the files. */
int access(const char *path, int mode)
{
	if (!strncmp(path, "/sys/", 5)) {
		errno = ENOENT;
		return -1;
	}
	return faccessat(AT_FDCWD, path, mode, 0);
}

static const char *const paths[] = { "/dev/vmgenctr", "/dev/vmclock0", "/dev/sysgenid" };
#define PATHS	(sizeof(paths) / sizeof(paths[0]))

static void is_no_counter(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	struct vmgen_info info;

	CHECK(setresuid(65534, 65534, 65534) == 0);
	CHECK(vmgen_sync(&info) == -ENODEV);
	CHECK(vmgen_status() == VMGEN_ABSENT);
	CHECK(vmgen_changed(&g) && !vmgen_changed(&g));
}

/* Pages that would be believed of a device. */
static void a_good_page(const char *path)
{
	struct vmgenctr_generation_page page = {
		.magic = VMGENCTR_GENERATION_MAGIC, .size = sizeof(page),
		.version = VMGENCTR_VERSION, .flags = VMGENCTR_F_HYPERVISOR,
		.generation = 5,
	};
	struct vmclock_page clock = {
		.magic = VMCLOCK_MAGIC, .version = VMCLOCK_VERSION, .size = sizeof(clock),
		.flags = VMCLOCK_F_COUNTER, .generation = 5,
	};
	bool is_clock = strstr(path, "vmclock");
	off_t size = 2 * (off_t)sysconf(_SC_PAGESIZE);

	close(is_clock ? device_file(path, size, &clock, sizeof(clock)) :
	      device_file(path, size, &page, sizeof(page)));
}

/* The control: it is the kind of file alone that makes the difference. */
static void is_believed(void)
{
	files_are_files = false;
	CHECK(vmgen_status() != VMGEN_ABSENT);
}

static void is_empty(const char *path)
{
	close(device_file(path, 0, "", 0));
}

static void is_a_directory(const char *path)
{
	CHECK(mkdir(path, 0755) == 0);
}

/* By anybody but root. */
static void cannot_be_opened(const char *path)
{
	is_empty(path);
	CHECK(chmod(path, 0) == 0);
}

/* A device, and all zero. */
static void is_another_device(const char *path)
{
	if (mknod(path, S_IFCHR | 0666, makedev(1, 5)) < 0)
		is_empty(path);
}

static void (*const kinds[])(const char *path) = {
	a_good_page, is_empty, is_a_directory, cannot_be_opened, is_another_device,
};

int main(void)
{
	size_t i, kind;

	own_dev();
	files_are_files = true;
	for (i = 0; i < PATHS; i++) {
		for (kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
			kinds[kind](paths[i]);
			in_own_process(is_no_counter);
			if (kinds[kind] == a_good_page)
				in_own_process(is_believed);
			CHECK(remove(paths[i]) == 0);
		}
	}
	return 0;
}
