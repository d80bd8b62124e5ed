/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the targets share. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond) do { if (!(cond)) abort(); } while (0)

/* Exactly @want bytes of heap, so that a byte too far is seen; the rest is zero. */
static inline void *take(const uint8_t **data, size_t *size, size_t want)
{
	size_t n = *size < want ? *size : want;
	uint8_t *p = calloc(1, want);

	MUST(p);
	memcpy(p, *data, n);
	*data += n;
	*size -= n;
	return p;
}

#endif /* FUZZ_H */
