/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What guards go by is memory of their own process.  If a parent and its children could
 * write to it together, one hostile child would hide forks and restores from the others.
 */
#include "device-files.h"

static int reseed(void *ctx)
{
	(void)ctx;
	return 0;
}

/* Mappings that are shared with other processes, and that this one may write. */
static int writable_and_shared(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512], mode[5];
	int n = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		CHECK(sscanf(line, "%*s %4s", mode) == 1);
		n += mode[1] == 'w' && mode[3] == 's';
	}
	fclose(f);
	return n;
}

static void with_everything_in_use(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	vmgen_once once = VMGEN_ONCE_INIT;
	int before = writable_and_shared();
	vmgen_watch *w = NULL;
	pid_t pid;

	CHECK(vmgen_changed(&g));
	(void)vmgen_open();
	CHECK(vmgen_once_begin(&once, reseed, NULL) != 0);
	(void)vmgen_watch_new(&w);
	CHECK(writable_and_shared() == before);
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_changed(&g));
		CHECK(writable_and_shared() == before);
		_exit(0);
	}
	reap(pid);
	vmgen_watch_free(w);
}

/* The driver that is known to send uevents is there. */
int access(const char *path, int mode)
{
	return strncmp(path, "/sys/", 5) ? faccessat(AT_FDCWD, path, mode, 0) : 0;
}

int main(void)
{
	if (access("/proc/self/maps", R_OK) < 0)
		skip("no /proc");
	in_own_process(with_everything_in_use);
	own_dev();
	in_own_process(with_everything_in_use);
	return 0;
}
