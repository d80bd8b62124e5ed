/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A generator in user space, xoshiro256**: equal states give equal words. */
#ifndef PRNG_H
#define PRNG_H

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct prng {
	uint64_t s[4];
};

static inline uint64_t prng_rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline uint64_t prng_next(struct prng *p)
{
	uint64_t result = prng_rotate(p->s[1] * 5, 7) * 9, t = p->s[1] << 17;

	p->s[2] ^= p->s[0];
	p->s[3] ^= p->s[1];
	p->s[1] ^= p->s[2];
	p->s[0] ^= p->s[3];
	p->s[2] ^= t;
	p->s[3] = prng_rotate(p->s[3], 45);
	return result;
}

/* Of several steps, so that a section is more than its checks. */
static inline uint64_t prng_word(struct prng *p)
{
	uint64_t a = prng_next(p), b = prng_next(p);

	return a ^ prng_rotate(b, 32) ^ prng_next(p);
}

/* For vmgen_begin(). */
static inline int prng_reseed(void *ctx)
{
	struct prng *p = ctx;

	return syscall(SYS_getrandom, p->s, sizeof(p->s), 0) == sizeof(p->s) ? 0 : -errno;
}

#endif
