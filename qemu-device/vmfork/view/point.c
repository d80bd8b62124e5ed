/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "point.h"

#ifdef VMFORK_POINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic unsigned int *seen;

void point_setup(_Atomic unsigned int *shared)
{
	seen = shared;
}

void point(const char *name)
{
	const char *wanted = getenv("VMFORK_VIEW_POINT");
	size_t n = strlen(name);

	if (!wanted || !seen || strncmp(wanted, name, n) != 0)
		return;
	if (strcmp(wanted + n, ":always") != 0 && (wanted[n] || __atomic_exchange_n((unsigned int *)seen, 1, __ATOMIC_SEQ_CST)))
		return;
	kill(getpid(), SIGKILL);
}
#else
/* A file of ISO C is not empty. */
typedef int point_none;
#endif
