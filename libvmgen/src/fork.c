/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the child of a fork must not take over from its parent.  The kernel zeroes it
 * (MADV_WIPEONFORK, Linux 4.14), which a raw clone() cannot get around.  Where it does
 * not, a handler of pthread_atfork() does, which knows of fork() only; calls that may
 * make system calls notice another process id, too.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "lib.h"

static bool registered;	/* fork() calls fork_forget() */
static uint32_t owner;	/* the process whose memory is not wiped; 0: all of it is */

static void fork_forget(void)
{
	struct source *s = vmgen_source_current();

	if (!__atomic_load_n(&owner, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&owner, vmgen_sys_pid(), __ATOMIC_RELAXED);
	vmgen_process_forget();
	if (s)
		vmgen_record_forget(s);
}

/* As the library is loaded: a signal handler that is the first user may not do this. */
__attribute__((__constructor__)) static void fork_register(void)
{
	registered = pthread_atfork(NULL, NULL, fork_forget) == 0;
}

/*
 * Will a child find this memory zeroed?  An emulator that does not know MADV_WIPEONFORK
 * may say that it succeeded; it then says so for advice that does not exist, too.
 */
bool vmgen_fork_wipe(void *addr, size_t size)
{
	if (madvise(addr, size, -1) < 0 && madvise(addr, size, MADV_WIPEONFORK) == 0)
		return true;
	__atomic_store_n(&owner, vmgen_sys_pid(), __ATOMIC_RELAXED);
	return registered;
}

/* For a child of a raw clone(), as soon as it asks. */
void vmgen_fork_check(void)
{
	uint32_t pid = __atomic_load_n(&owner, __ATOMIC_RELAXED);

	if (pid && !vmgen_sealed() && pid != vmgen_sys_pid())
		fork_forget();
}
