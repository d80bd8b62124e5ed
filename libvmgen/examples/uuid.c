/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Random UUIDs (RFC 9562, version 4), for which the kernel is asked once for many: a
 * pool of random bytes makes each cheap, and is the very thing that all clones of a
 * machine would draw the same UUIDs from.  So it belongs to an epoch, and is thrown
 * away when that ends, in a child of fork(), too.
 *
 *	uuid NUMBER	so many of them
 *	uuid		one for each line of standard input
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmgen.h>

#define UUID_SIZE	16
#define POOL_SIZE	64

struct uuid_pool {
	pthread_mutex_t lock;
	vmgen_guard guard;	/* protected by the lock, as the rest is */
	size_t left;
	uint8_t bytes[POOL_SIZE][UUID_SIZE];
};

static struct uuid_pool pool = { PTHREAD_MUTEX_INITIALIZER, VMGEN_GUARD_INIT, 0, { { 0 } } };

/*
 * With VMGEN_UNVERIFIED this works on machines without a counter, too, and is as good
 * there as every other pool: whoever must not have that passes 0, and gets an error.
 */
static int pool_fill(void *ctx)
{
	struct uuid_pool *p = ctx;
	int r = vmgen_getrandom(p->bytes, sizeof(p->bytes), VMGEN_UNVERIFIED);

	p->left = r < 0 ? 0 : POOL_SIZE;
	return r;
}

static void pool_take(struct uuid_pool *p, uint8_t uuid[UUID_SIZE])
{
	p->left--;
	memcpy(uuid, p->bytes[p->left], UUID_SIZE);
	explicit_bzero(p->bytes[p->left], UUID_SIZE);
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

/* What was taken across a restore is thrown away with the pool that it was taken from. */
static int pool_new_uuid(struct uuid_pool *p, uint8_t uuid[UUID_SIZE])
{
	vmgen_epoch epoch;
	int r;

	do {
		epoch = vmgen_begin(&p->guard, pool_fill, p);
		r = !epoch ? -1 : p->left ? 0 : pool_fill(p);
		if (r < 0)
			return r;
		pool_take(p, uuid);
	} while (vmgen_retry(&p->guard, epoch));
	return 0;
}

static int uuid_new(uint8_t uuid[UUID_SIZE])
{
	int r;

	pthread_mutex_lock(&pool.lock);
	r = pool_new_uuid(&pool, uuid);
	pthread_mutex_unlock(&pool.lock);
	return r;
}

static void uuid_format(const uint8_t uuid[UUID_SIZE], char text[37])
{
	int i;

	for (i = 0; i < UUID_SIZE; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		text += sprintf(text, "%02x", uuid[i]);
	}
}

/* So many, or one for each line of standard input. */
static int wanted(long *number)
{
	char line[16];

	if (*number >= 0)
		return (*number)-- > 0;
	return fgets(line, sizeof(line), stdin) != NULL;
}

int main(int argc, char **argv)
{
	long number = argc > 1 ? strtol(argv[1], NULL, 10) : -1;
	uint8_t uuid[UUID_SIZE];
	char text[37];

	while (wanted(&number)) {
		if (uuid_new(uuid) < 0)
			return 1;
		uuid_format(uuid, text);
		if (puts(text) < 0 || fflush(stdout) != 0)
			return 1;
	}
	return 0;
}
