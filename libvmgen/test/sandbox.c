/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Opened early, a check makes no system call, and neither does a change that the
 * driver was ready for: the process may do nothing but write and exit.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <linux/vmgenctr.h>

#include "test.h"

static vmgen_word *generation, *ready;

static void enter_sandbox(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(77);
}

/* What the hypervisor and the driver do, without a system call. */
static void restored_and_ready(void)
{
	__atomic_fetch_add(generation, 1, __ATOMIC_RELEASE);
	__atomic_fetch_add(ready, 1, __ATOMIC_RELEASE);
}

static void sandboxed(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT, late = VMGEN_GUARD_INIT;
	struct vmgen_info info;
	int i;

	enter_sandbox();
	CHECK(vmgen_changed(&g));
	for (i = 0; i < 8; i++) {
		CHECK(!vmgen_changed(&g));
		restored_and_ready();
		CHECK(vmgen_changed(&g));
	}
	CHECK(vmgen_changed(&late));
	CHECK(vmgen_sync(&info) == 0);
	CHECK(info.generation == 9);
	_exit(0);
}

int main(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	int fd = counter(0), wstatus;
	char *map;
	pid_t pid;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip("a sanitizer makes system calls of its own");
#endif
	if (getenv("WRAPPER") && *getenv("WRAPPER"))
		skip("another program makes system calls of its own");
	CHECK(vmgen_open() == 0);
	map = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	generation = (void *)(map + offsetof(struct vmgenctr_generation_page, generation));
	ready = (void *)(map + size +
			 offsetof(struct vmgenctr_status_page, ready_generation));
	pid = fork();
	if (pid == 0)
		sandboxed();
	CHECK(waitpid(pid, &wstatus, 0) == pid);
	if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 77)
		skip("no seccomp filters here");
	CHECK(WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0);
	return 0;
}
