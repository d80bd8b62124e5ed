/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * How the guest's programs mark pages, so that the host finds them in a frozen RAM.
 *
 * set is a number that the host chooses for each run of a program: a page that an earlier
 * run left behind is no page of this one.  The word is not beside the mark, because a
 * device may write a whole sector there.
 */
#ifndef STAMP_H
#define STAMP_H

#include <stdint.h>

#define STAMP_MAGIC	UINT64_C(0x9a6e5eed70c0ffee)
#define STAMP_PAGE	4096
#define STAMP_SECTOR	512

struct stamp {
	uint64_t magic;
	uint32_t set;
	uint16_t chain;		/* of pairs that one writer writes in turn */
	uint16_t half;		/* 0: written first */
	uint32_t index, count;	/* of count pairs in this chain */
	uint64_t modulus;	/* the words count modulo this; 0: they do not wrap */
	unsigned char pad[STAMP_PAGE / 2 - 32];
	union {			/* at half of the page, where a sector begins */
		uint64_t word;
		unsigned char sector[STAMP_PAGE / 2];
	};
};

_Static_assert(sizeof(struct stamp) == STAMP_PAGE, "a stamp is a page");

#endif
