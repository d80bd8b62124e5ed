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

/*
 * From here on nobody can ask whose the descriptor is, and a check that needed none
 * has not asked either: programs close what they do not know before they seal.
 */
static int hold_descriptor(void)
{
	struct source *s = vmgen_source_current();
	int r;

	if (!s->ops->reads || vmgen_source_fd(s) >= 0)
		return 0;
	r = vmgen_source_renew(s);
	if (r < 0)
		return r;
	s = vmgen_source_current();
	r = s->ops->reads ? vmgen_source_fd(s) : 0;
	return r < 0 ? r : 0;
}

/* 0: there is nothing left that would take another system call */
static int prepare(void)
{
	struct reading now;
	int r = vmgen_source_sync(&now);

	if (!now.source)
		return r;
	if (!vmgen_process())
		return -ENOMEM;
	return hold_descriptor();
}

int vmgen_seal(void)
{
	int saved = errno;
	int r = prepare();

	errno = saved;
	if (r < 0)
		return r;
	__atomic_store_n(&sealed, true, __ATOMIC_RELEASE);
	return 0;
}
