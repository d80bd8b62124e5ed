/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Before a sandbox that kills: everything that takes a system call is done now or
 * never, but for read() from the one descriptor.
 */
#include "lib.h"

static bool sealed;

bool vmgen_sealed(void)
{
	return __atomic_load_n(&sealed, __ATOMIC_ACQUIRE);
}

int vmgen_seal(void)
{
	struct reading now;
	int saved = errno;
	int r = vmgen_source_sync(&now);

	errno = saved;
	if (!now.source)
		return r;
	if (!vmgen_process())
		return -ENOMEM;
	__atomic_store_n(&sealed, true, __ATOMIC_RELEASE);
	return 0;
}
