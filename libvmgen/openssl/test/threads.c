/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Threads draw from both of their DRBGs, and from the shared primary one, while the
 * generation changes all the time.  Nobody fails, waits for ever, or gets bytes that
 * another got.
 */
#include <pthread.h>

#include "context.h"

#define THREADS	4
#define ROUNDS	300
#define SIZE	16

static OSSL_LIB_CTX *libctx;
static unsigned char drawn[THREADS * ROUNDS * 3][SIZE];
static int running;

static void *draw(void *arg)
{
	unsigned char (*out)[SIZE] = arg;
	EVP_RAND_CTX *primary = RAND_get0_primary(libctx);
	int i;

	for (i = 0; i < ROUNDS; i++) {
		CHECK_SSL(RAND_bytes_ex(libctx, *out++, SIZE, 0) == 1);
		CHECK_SSL(RAND_priv_bytes_ex(libctx, *out++, SIZE, 0) == 1);
		CHECK_SSL(EVP_RAND_generate(primary, *out++, SIZE, 0, 0, NULL, 0));
	}
	__atomic_fetch_sub(&running, 1, __ATOMIC_RELEASE);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, SIZE);
}

int main(void)
{
	const int all = sizeof(drawn) / SIZE;
	int fd = counter(0);
	pthread_t id[THREADS];
	int i;

	libctx = context_guarded();
	running = THREADS;
	for (i = 0; i < THREADS; i++)
		CHECK(pthread_create(&id[i], NULL, draw, drawn + i * ROUNDS * 3) == 0);
	while (__atomic_load_n(&running, __ATOMIC_ACQUIRE)) {
		CHECK(vmgen_test_bump(fd) == 0);
		usleep(500);
	}
	for (i = 0; i < THREADS; i++)
		CHECK(pthread_join(id[i], NULL) == 0);
	qsort(drawn, all, SIZE, compare);
	for (i = 1; i < all; i++)
		CHECK(compare(drawn[i - 1], drawn[i]) != 0);
	OSSL_LIB_CTX_free(libctx);
	return 0;
}
