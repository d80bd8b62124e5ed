/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The real /dev/vmgenctr, where there is one. */
#include <fcntl.h>

#include "test.h"

#define LIMIT	64

/* Every file of the device is a pipe with a byte in it now. */
static void take_over(int pipes[2])
{
	char link[64], file[64];
	int fd, n = 0;
	ssize_t size;

	CHECK(pipe2(pipes, O_NONBLOCK) == 0 && write(pipes[1], "x", 1) == 1);
	for (fd = 3; fd < LIMIT; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		size = readlink(link, file, sizeof(file) - 1);
		file[size < 0 ? 0 : size] = '\0';
		if (!strcmp(file, "/dev/vmgenctr"))
			n += dup2(pipes[0], fd) == fd;
	}
	CHECK(n > 0);
}

/*
 * A guard does not read from another file that has got the number of its descriptor.  In
 * software mode the pages have to do then, and nothing is said to be verified.
 */
static void number_of_another_file(bool software)
{
	vmgen_guard g = VMGEN_GUARD_INIT;
	unsigned char bytes[8];
	int pipes[2];
	char byte;

	CHECK(vmgen_open() == 0);
	take_over(pipes);
	CHECK(vmgen_changed(&g) && !vmgen_changed(&g));
	CHECK(vmgen_getrandom(bytes, sizeof(bytes), 0) == (software ? -EBADF : 0));
	CHECK(read(pipes[0], &byte, 1) == 1 && byte == 'x');
	CHECK(vmgen_open() == 0);
	CHECK(vmgen_getrandom(bytes, sizeof(bytes), 0) == 0);
	_exit(0);
}

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
	pid_t pid;

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
	pid = fork();
	if (pid == 0)
		number_of_another_file(!(info.flags & VMGEN_INFO_HYPERVISOR));
	reap(pid);
	printf("generation %llu, %s mode\n", (unsigned long long)info.generation,
	       info.flags & VMGEN_INFO_HYPERVISOR ? "hypervisor" : "software");
	return 0;
}
