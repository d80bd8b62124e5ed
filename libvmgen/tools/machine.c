/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"
#include "vmgen.h"

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
enum hearing kernel_hears_of_restores(void)
{
	if (any_path("/sys/bus/acpi/drivers/vmgenid/*:*") ||
	    any_path("/sys/bus/platform/drivers/vmgenid/*:*"))
		return HEARING_YES;
	/* Each kernel has this folder: without it, there is no sysfs to look at. */
	return access("/sys/bus/platform/drivers", R_OK | X_OK) < 0 ? HEARING_UNKNOWN :
	       HEARING_NO;
}

bool counter_is_hidden(void)
{
	return access("/sys/class/misc/vmgenctr", F_OK) == 0 &&
	       access("/dev/vmgenctr", F_OK) < 0;
}

static bool is_denied(const char *node)
{
	struct stat st;

	return stat(node, &st) == 0 && S_ISCHR(st.st_mode) &&
	       access(node, R_OK) < 0 && (errno == EACCES || errno == EPERM);
}

const char *denied_device(void)
{
	static const char *const nodes[] = {
		"/dev/vmgenctr", "/dev/sysgenid", "/dev/vmclock0",
	};
	size_t i;

	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (is_denied(nodes[i]))
			return nodes[i];
	return NULL;
}

bool device_counts(const char *node)
{
	return strcmp(node, "/dev/vmclock0") != 0;
}

int kernel_random_state(void)
{
	char byte;

	return getrandom(&byte, 1, GRND_NONBLOCK) == 1 ? 0 : -errno;
}

/* No handler of the C library runs. */
static pid_t fork_by_system_call(void)
{
#ifdef SYS_fork
	return (pid_t)syscall(SYS_fork);
#else
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#endif
}

static enum fork_seen seen_in(pid_t (*make)(void))
{
	vmgen_guard guard = VMGEN_GUARD_INIT;
	int status;
	pid_t pid;

	(void)vmgen_changed(&guard);
	if (vmgen_changed(&guard))	/* always, when the counter is broken */
		return FORK_UNKNOWN;
	pid = make();
	if (pid == 0)
		_exit(vmgen_changed(&guard) ? FORK_SEEN : FORK_MISSED);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return FORK_UNKNOWN;
	return (enum fork_seen)WEXITSTATUS(status);
}

enum fork_seen try_fork(void)
{
	enum fork_seen seen = seen_in(fork_by_system_call);

	if (seen == FORK_MISSED && seen_in(fork) == FORK_SEEN)
		return FORK_OF_LIBC_ONLY;
	return seen;
}
