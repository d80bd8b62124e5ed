/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Opened early, a check makes no system call, and neither does a change that the
 * driver was ready for: the process may do nothing but write and exit.
 */
#include <stddef.h>
#include <sys/mman.h>

#include <linux/vmgenctr.h>

#include "sandbox.h"

static vmgen_word *generation, *ready;

/* What the hypervisor and the driver do, without a system call. */
static void restored_and_ready(void)
{
	__atomic_fetch_add(generation, 1, __ATOMIC_RELEASE);
	__atomic_fetch_add(ready, 1, __ATOMIC_RELEASE);
}

static void sandboxed(void)
{
	vmgen_guard g = VMGEN_GUARD_INIT, late = VMGEN_GUARD_INIT;
	static const unsigned int calls[] = { SYS_write, SYS_exit_group };
	struct vmgen_info info;
	int i;

	enter_sandbox(calls, 2);
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
	int fd = counter(0);
	char *map;
	pid_t pid;

	need_sandbox();
	CHECK(vmgen_open() == 0);
	map = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	generation = (void *)(map + offsetof(struct vmgenctr_generation_page, generation));
	ready = (void *)(map + size +
			 offsetof(struct vmgenctr_status_page, ready_generation));
	pid = fork();
	if (pid == 0)
		sandboxed();
	reap_sandbox(pid);
	return 0;
}
