/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Two processes share a counter: what one does to it, the library in the other sees. */
#include <sys/socket.h>

#include "test.h"

static void turn(int s)
{
	char c = 0;

	CHECK(write(s, &c, 1) == 1);
	CHECK(read(s, &c, 1) == 1);
}

static void child(int s, int fd)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	char c;

	CHECK(read(s, &c, 1) == 1);
	CHECK(vmgen_test_install(fd) == 0);
	CHECK(vmgen_changed(&g));
	turn(s);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	turn(s);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_status() == VMGEN_ABSENT);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(write(s, &c, 1) == 1);
	_exit(0);
}

int main(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	int fd = counter(0), s[2];
	pid_t pid;

	CHECK(vmgen_changed(&g));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	pid = fork();
	if (pid == 0)
		child(s[1], fd);
	turn(s[0]);
	CHECK(vmgen_test_bump(fd) == 0);
	turn(s[0]);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	turn(s[0]);
	reap(pid);
	/* Back in the generation that this process knows. */
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	return 0;
}
