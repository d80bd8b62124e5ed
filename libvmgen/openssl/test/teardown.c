/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Library contexts come and go, with DRBGs of several threads in them, whatever the
 * order in which providers are loaded; nothing is left behind (see the sanitizers).
 */
#include <pthread.h>

#include "context.h"

static void *draw(void *libctx)
{
	unsigned char out[32];

	CHECK_SSL(RAND_bytes_ex(libctx, out, sizeof(out), 0) == 1);
	CHECK_SSL(RAND_priv_bytes_ex(libctx, out, sizeof(out), 0) == 1);
	return NULL;
}

/* Threads that end before the context, and one that outlives it. */
static void use(OSSL_LIB_CTX *libctx)
{
	pthread_t id[2];

	CHECK(pthread_create(&id[0], NULL, draw, libctx) == 0);
	CHECK(pthread_create(&id[1], NULL, draw, libctx) == 0);
	draw(libctx);
	CHECK(is_guarded(RAND_get0_public(libctx)));
	CHECK(pthread_join(id[0], NULL) == 0 && pthread_join(id[1], NULL) == 0);
}

static void loaded_by_name(const char *first, const char *second)
{
	OSSL_LIB_CTX *libctx = context_new();
	OSSL_PROVIDER *a = OSSL_PROVIDER_load(libctx, first);
	OSSL_PROVIDER *b = OSSL_PROVIDER_load(libctx, second);

	CHECK_SSL(a && b);
	CHECK_SSL(RAND_set_DRBG_type(libctx, "VMGEN-CTR-DRBG", "provider=vmgen", NULL, NULL));
	use(libctx);
	OSSL_PROVIDER_unload(a);
	OSSL_PROVIDER_unload(b);
	OSSL_LIB_CTX_free(libctx);
}

/* Loaded and never used; used while the last handle on the provider is dropped. */
static void unloaded_early(void)
{
	OSSL_LIB_CTX *libctx = context_new();
	OSSL_PROVIDER *p = OSSL_PROVIDER_load(libctx, "vmgen");
	EVP_RAND *rand = EVP_RAND_fetch(libctx, "VMGEN-CTR-DRBG", NULL);

	CHECK_SSL(p && rand);
	CHECK_SSL(OSSL_PROVIDER_self_test(p));
	OSSL_PROVIDER_unload(p);
	EVP_RAND_free(rand);
	OSSL_LIB_CTX_free(libctx);
}

int main(void)
{
	OSSL_LIB_CTX *libctx;
	int i;

	counter(0);
	for (i = 0; i < 5; i++) {
		libctx = context_guarded();
		use(libctx);
		OSSL_LIB_CTX_free(libctx);
		loaded_by_name("default", "vmgen");
		loaded_by_name("vmgen", "default");
		unloaded_early();
	}
	return 0;
}
