/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A process that may make the system calls that it names, and dies of any other. */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test.h"

#define SANDBOX_MAX	8

/* For all threads.  Where this does not work, ends with 77. */
static inline void enter_sandbox(const unsigned int *calls, size_t n)
{
	struct sock_filter filter[2 * SANDBOX_MAX + 2];
	struct sock_fprog program = { .filter = filter };
	size_t i;

	CHECK(n <= SANDBOX_MAX);
	filter[program.len++] = (struct sock_filter)
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (i = 0; i < n; i++) {
		filter[program.len++] = (struct sock_filter)
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
		filter[program.len++] = (struct sock_filter)
			BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	filter[program.len++] = (struct sock_filter)
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
		    &program) < 0)
		_exit(77);
}

/* Wait for a process that was in one; skips where it could not be made. */
static inline void reap_sandbox(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip("no seccomp filters here");
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline void need_sandbox(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip("a sanitizer makes system calls of its own");
#endif
	if (getenv("WRAPPER") && *getenv("WRAPPER"))
		skip("another program makes system calls of its own");
}

#endif /* SANDBOX_H */
