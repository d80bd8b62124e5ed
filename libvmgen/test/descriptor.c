/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Daemons close every descriptor, and then the number belongs to another file.  The
 * library neither reads from that nor closes it.  A guard cannot check then, which is a
 * change; vmgen_open() and its like open the device again.
 */
#include <fcntl.h>

#include "test.h"

#define HIGH	100

static vmgen_guard g = VMGEN_GUARD_INIT;
static int fd;

/* Every number that the library might have had is a pipe with a byte in it now. */
static void become_a_daemon(int pipes[2])
{
	int i;

	CHECK(pipe2(pipes, O_NONBLOCK) == 0);
	CHECK(write(pipes[1], "x", 1) == 1);
	for (i = 3; i < HIGH; i++)
		if (i != pipes[0] && i != pipes[1])
			CHECK(dup2(pipes[0], i) == i);
}

static void the_pipe_is_untouched(int pipes[2])
{
	char byte = 0;
	int i;

	for (i = 3; i < HIGH; i++)
		CHECK(fcntl(i, F_GETFD) >= 0);
	CHECK(read(pipes[0], &byte, 1) == 1);
	CHECK(byte == 'x');
}

static void every_descriptor_is_close_on_exec(void)
{
	int i, n = 0;

	for (i = 3; i < HIGH; i++)
		if (fcntl(i, F_GETFD) >= 0 && ++n)
			CHECK(fcntl(i, F_GETFD) & FD_CLOEXEC);
	CHECK(n > 0);
}

/* Lost over and over, and found again under the same number or another. */
static void closed_again_and_again(void)
{
	int i, round, n = 0;

	for (round = 0; round < 40; round++) {
		for (i = 3; i < 2 * HIGH && round % 3; i++)
			if (i != fd)
				close(i);
		CHECK(vmgen_test_bump(fd) == 0);
		CHECK(vmgen_changed(&g));
		CHECK(vmgen_sync(NULL) == 0);
		CHECK(vmgen_changed(&g) == (round % 3 != 0));
		CHECK(!vmgen_changed(&g));
	}
	for (i = 3; i < 2 * HIGH; i++)
		n += i != fd && fcntl(i, F_GETFD) >= 0;
	CHECK(n >= 1 && n <= 2);
}

/* Nobody can ask any more whose the number is: it is the library's, or there is no seal. */
static void lost_before_the_seal(enum vmgen_test_fault fault)
{
	int pipes[2], r;

	CHECK(vmgen_sync(NULL) == 0);
	become_a_daemon(pipes);
	CHECK(vmgen_test_fault(fd, fault) == 0);
	r = vmgen_seal();
	CHECK(fault == VMGEN_TEST_DENY ? r == -EACCES : r == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_changed(&g) == (r < 0));
	the_pipe_is_untouched(pipes);
}

static void in_a_child(enum vmgen_test_fault fault)
{
	pid_t pid = fork();

	if (pid == 0) {
		lost_before_the_seal(fault);
		_exit(0);
	}
	reap(pid);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_changed(&g));
}

int main(void)
{
	int pipes[2], low = vmgen_test_create(0), i;
	char bytes[8];

	CHECK(low >= 0);
	for (i = 3; i < HIGH; i++)
		if (i != low)
			close(i);
	fd = fcntl(low, F_DUPFD_CLOEXEC, HIGH);
	CHECK(fd >= HIGH);
	close(low);
	CHECK(vmgen_test_install(fd) == 0);
	CHECK(vmgen_changed(&g));
	every_descriptor_is_close_on_exec();
	in_a_child(VMGEN_TEST_RESTORE);
	in_a_child(VMGEN_TEST_DENY);

	become_a_daemon(pipes);
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_changed(&g) && vmgen_changed(&g));
	CHECK(vmgen_getrandom(bytes, sizeof(bytes), 0) == -EBADF);
	the_pipe_is_untouched(pipes);
	CHECK(write(pipes[1], "x", 1) == 1);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
	the_pipe_is_untouched(pipes);
	closed_again_and_again();
	return 0;
}
