/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Check before send.  What vmgen_retry() leaves to its caller, the way from the load
 * to the point of no return, is as short here as it can be: on x86-64 the compare
 * with memory, the branch and the system call stand in a row.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

#if defined(__x86_64__) && defined(__LP64__)
static ssize_t write_if(const vmgen_word *live, uint64_t expected, int fd,
			const void *buf, size_t size)
{
	ssize_t r = SYS_write;

	/* The kernel changes rcx and r11. */
	__asm__ __volatile__("cmpq	%[expected], %[live]\n\t"
			     "jne	1f\n\t"
			     "syscall\n\t"
			     "jmp	2f\n"
			     "1:	movq	%[stale], %[r]\n"
			     "2:"
			     : [r] "+a"(r)
			     : [live] "m"(*live), [expected] "r"(expected),
			       [stale] "i"(-ESTALE), "D"((long)fd), "S"(buf), "d"(size)
			     : "rcx", "r11", "cc", "memory");
	return r;
}
#else
static ssize_t write_if(const vmgen_word *live, uint64_t expected, int fd,
			const void *buf, size_t size)
{
	int saved = errno;
	ssize_t r;

	if (__atomic_load_n(live, __ATOMIC_RELAXED) != expected)
		return -ESTALE;
	r = vmgen_sys_write(fd, buf, size);
	errno = saved;
	return r;
}
#endif

/* The fence is that of vmgen_retry(): what was produced was read before the check. */
ssize_t vmgen_write(const vmgen_guard *g, vmgen_epoch e, int fd, const void *buf,
		    size_t size)
{
	const vmgen_word *record = (const vmgen_word *)(uintptr_t)e;

	(void)g;
	if (!e)
		return -ESTALE;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return write_if(vmgen_live_word(record), vmgen_record(record) - 1, fd, buf, size);
}
