/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A new generation: the public and the private DRBG of each thread reseed exactly once,
 * at their next use, and so does the primary DRBG, which nobody uses directly.  So do
 * those of a child of fork(), which OpenSSL would reseed as well.
 */
#include <pthread.h>
#include <semaphore.h>

#include "context.h"

#define THREADS	3
#define SIZE	32

static struct thread {
	pthread_t id;
	OSSL_LIB_CTX *libctx;
	sem_t go, done;
	unsigned int public, private;
	unsigned char bytes[2 * SIZE];
} threads[THREADS];

static void *draw(void *arg)
{
	struct thread *t = arg;

	for (;;) {
		CHECK(sem_wait(&t->go) == 0);
		if (!t->libctx)
			return NULL;
		CHECK_SSL(RAND_bytes_ex(t->libctx, t->bytes, SIZE, 0) == 1);
		CHECK_SSL(RAND_priv_bytes_ex(t->libctx, t->bytes + SIZE, SIZE, 0) == 1);
		t->public = seeded(RAND_get0_public(t->libctx));
		t->private = seeded(RAND_get0_private(t->libctx));
		CHECK(is_guarded(RAND_get0_public(t->libctx)));
		CHECK(is_guarded(RAND_get0_private(t->libctx)));
		CHECK(sem_post(&t->done) == 0);
	}
}

static void start(OSSL_LIB_CTX *libctx)
{
	struct thread *t;

	for (t = threads; t < threads + THREADS; t++) {
		t->libctx = libctx;
		CHECK(sem_init(&t->go, 0, 0) == 0 && sem_init(&t->done, 0, 0) == 0);
		CHECK(pthread_create(&t->id, NULL, draw, t) == 0);
	}
}

static void stop(void)
{
	struct thread *t;

	for (t = threads; t < threads + THREADS; t++) {
		t->libctx = NULL;
		CHECK(sem_post(&t->go) == 0);
		CHECK(pthread_join(t->id, NULL) == 0);
	}
}

/* One thread after the other draws; each of its DRBGs has reseeded @times times. */
static void all_draw(unsigned int times)
{
	struct thread *t, before;

	for (t = threads; t < threads + THREADS; t++) {
		before = *t;
		CHECK(sem_post(&t->go) == 0);
		CHECK(sem_wait(&t->done) == 0);
		CHECK(memcmp(before.bytes, t->bytes, SIZE) != 0);
		CHECK(memcmp(before.bytes + SIZE, t->bytes + SIZE, SIZE) != 0);
		if (!before.public)
			continue;
		CHECK(t->public == before.public + times);
		CHECK(t->private == before.private + times);
	}
}

static void check_primary(OSSL_LIB_CTX *libctx, unsigned int *before, unsigned int times)
{
	EVP_RAND_CTX *primary = RAND_get0_primary(libctx);

	CHECK(is_guarded(primary));
	CHECK(seeded(primary) == *before + times);
	*before += times;
}

static void check_child(OSSL_LIB_CTX *libctx)
{
	EVP_RAND_CTX *public = RAND_get0_public(libctx);
	unsigned int primary, before;
	unsigned char bytes[SIZE];
	pid_t pid;

	CHECK_SSL(RAND_bytes_ex(libctx, bytes, SIZE, 0) == 1);
	primary = seeded(RAND_get0_primary(libctx));
	before = seeded(public);
	pid = fork();
	if (pid == 0) {
		CHECK_SSL(RAND_bytes_ex(libctx, bytes, SIZE, 0) == 1);
		CHECK(seeded(public) == before + 1);
		check_primary(libctx, &primary, 1);
		CHECK_SSL(RAND_bytes_ex(libctx, bytes, SIZE, 0) == 1);
		CHECK(seeded(public) == before + 1);
		_exit(0);
	}
	reap(pid);
}

int main(void)
{
	int fd = counter(0);
	OSSL_LIB_CTX *libctx = context_guarded();
	unsigned int primary;
	int i;

	start(libctx);
	all_draw(0);
	primary = seeded(RAND_get0_primary(libctx));
	all_draw(0);
	check_primary(libctx, &primary, 0);
	for (i = 0; i < 5; i++) {
		CHECK(vmgen_test_bump(fd) == 0);
		all_draw(1);
		check_primary(libctx, &primary, 1);
		all_draw(0);
		check_primary(libctx, &primary, 0);
	}
	stop();
	check_child(libctx);
	OSSL_LIB_CTX_free(libctx);
	return 0;
}
