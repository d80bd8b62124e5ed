/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Whatever a program has closed of 0, 1 and 2, the library leaves closed: programs write
 * there as if it were theirs.
 */
#include <fcntl.h>

#include "device-files.h"

static void close_standard(void)
{
	int i;

	for (i = 0; i < 3; i++)
		close(i);
}

static int open_of_standard(void)
{
	int i, n = 0;

	for (i = 0; i < 3; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

/* stderr is closed, so that CHECK() has nobody to tell: the status says which it was. */
static void must(bool condition, int status)
{
	if (!condition)
		_exit(status);
}

static void with_a_counter(unsigned int flags)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	vmgen_watch *w;
	int fd;

	close_standard();
	fd = vmgen_test_create(flags);
	must(fd > 2 && open_of_standard() == 0, 2);
	must(vmgen_test_install(fd) == 0 && vmgen_open() == 0, 3);
	must(open_of_standard() == 0, 4);
	must(vmgen_watch_new(&w) == 0 && open_of_standard() == 0, 5);
	must(vmgen_test_bump(fd) == 0 && vmgen_test_ready(fd) == 0, 6);
	must(vmgen_watch_dispatch(w, NULL) == 1 && open_of_standard() == 0, 7);
	must(vmgen_changed(&g) && vmgen_status() == VMGEN_ACTIVE, 8);
	must(open_of_standard() == 0, 9);
	_exit(0);
}

/* The driver that is known to send uevents is there. */
int access(const char *path, int mode)
{
	return strncmp(path, "/sys/", 5) ? faccessat(AT_FDCWD, path, mode, 0) : 0;
}

static void without(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	vmgen_watch *w = NULL;

	close_standard();
	must(vmgen_changed(&g) && vmgen_status() != VMGEN_ACTIVE, 2);
	(void)vmgen_watch_new(&w);
	must(open_of_standard() == 0, 3);
	_exit(0);
}

static void ends_well(pid_t pid)
{
	int status;

	CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		fprintf(stderr, "status %x\n", (unsigned int)status);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	static const unsigned int layouts[] = {
		0, VMGEN_TEST_SOFTWARE, VMGEN_TEST_VMCLOCK, VMGEN_TEST_SYSGENID,
	};
	size_t i;
	pid_t pid;

	for (i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		pid = fork();
		if (pid == 0)
			with_a_counter(layouts[i]);
		ends_well(pid);
	}
	own_dev();
	pid = fork();
	if (pid == 0)
		without();
	ends_well(pid);
	return 0;
}
