/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The smallest use: a generator that is never used in two machines, or two processes. */
#include <stdio.h>
#include <stdlib.h>

#include <vmgen.h>

static unsigned short state[3];
static vmgen_guard guard = VMGEN_GUARD_INIT;	/* one per PRNG, cache, pool */

static int reseed(void *ctx)
{
	return vmgen_getrandom(ctx, sizeof(state), VMGEN_UNVERIFIED);
}

int main(void)
{
	vmgen_epoch epoch;
	long number;

	do {	/* nothing that was drawn across a restore leaves this loop */
		epoch = vmgen_begin(&guard, reseed, state);
		if (!epoch)
			return 1;
		number = nrand48(state);
	} while (vmgen_retry(&guard, epoch));
	printf("%ld\n", number);
	return 0;
}
