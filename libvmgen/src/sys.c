/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * System calls without the C library's wrappers: open(), read() and close() are
 * cancellation points, and a thread that is cancelled inside vmgen_changed()
 * would leak a descriptor or leave the caller's lock held.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

/* Programs that have closed 0, 1 or 2 write there as if it were theirs. */
#define FIRST_FD	(STDERR_FILENO + 1)

/* Of what a system call has returned: a descriptor that is no standard file, or an error. */
int vmgen_sys_fd(int fd)
{
	int r;

	if (fd < 0)
		return -errno;
	if (fd >= FIRST_FD)
		return fd;
	r = vmgen_sys_dup(fd);
	vmgen_sys_close(fd);
	return r;
}

int vmgen_sys_open(const char *path)
{
	return vmgen_sys_fd((int)syscall(SYS_openat, AT_FDCWD, path,
					 O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

int vmgen_sys_dup(int fd)
{
	int r = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);

	return r < 0 ? -errno : r;
}

int vmgen_sys_close(int fd)
{
	return syscall(SYS_close, fd) < 0 ? -errno : 0;
}

ssize_t vmgen_sys_write(int fd, const void *buf, size_t size)
{
	long r = syscall(SYS_write, fd, buf, size);

	return r < 0 ? -errno : r;
}

/*
 * New 32-bit machines have only the call with 64 bits of seconds; in x32 a long is shorter
 * than what the kernel takes for one.
 */
#ifdef SYS_futex
typedef __kernel_long_t futex_time;
#else
#define SYS_futex SYS_futex_time64
typedef int64_t futex_time;
#endif

/*
 * Until vmgen_sys_wake(), or *word is not @value, or a second is over: a child that
 * is forked in a signal handler which interrupted this has nobody to wake it.
 */
void vmgen_sys_wait(uint32_t *word, uint32_t value)
{
	struct { futex_time s, ns; } second = { 1, 0 };
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &second, NULL, 0);
	errno = saved;
}

void vmgen_sys_wake(uint32_t *word)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
	errno = saved;
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
