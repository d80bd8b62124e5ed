/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * System calls without the C library's wrappers: open(), read() and close() are
 * cancellation points, and a thread that is cancelled inside vmgen_changed()
 * would leak a descriptor or leave the caller's lock held.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

int vmgen_sys_open(const char *path)
{
	long r = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return r < 0 ? -errno : (int)r;
}

int vmgen_sys_close(int fd)
{
	return syscall(SYS_close, fd) < 0 ? -errno : 0;
}

uint32_t vmgen_sys_pid(void)
{
	return (uint32_t)syscall(SYS_getpid);
}

ssize_t vmgen_sys_read(int fd, void *buf, size_t size)
{
	long r = syscall(SYS_read, fd, buf, size);

	return r < 0 ? -errno : r;
}

ssize_t vmgen_sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
	long r = syscall(SYS_recvmsg, fd, msg, flags);

	return r < 0 ? -errno : r;
}
