/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A seed source may have been cloned, too, and repeat itself.  Two DRBGs seeded by it
 * are the same; two that are wrapped are not, because each reseed adds random bytes of
 * the kernel.
 */
#include "probe.h"

#define SIZE	32

static void draw(OSSL_LIB_CTX *libctx, const char *name, EVP_RAND_CTX *source,
		 unsigned char *out)
{
	EVP_RAND_CTX *rand = rand_new(libctx, name, source);

	CHECK_SSL(EVP_RAND_generate(rand, out, SIZE, 0, 0, NULL, 0));
	EVP_RAND_CTX_free(rand);
}

int main(void)
{
	unsigned char a[SIZE], b[SIZE];
	OSSL_PROVIDER *provider;
	OSSL_LIB_CTX *libctx;
	EVP_RAND_CTX *probe;

	counter(0);
	libctx = context_guarded();
	provider = probe_load(libctx);
	probe = rand_new(libctx, "PROBE", NULL);
	probe_repeats = 1;
	draw(libctx, "CTR-DRBG", probe, a);
	draw(libctx, "CTR-DRBG", probe, b);
	CHECK(memcmp(a, b, SIZE) == 0);
	draw(libctx, "VMGEN-CTR-DRBG", probe, a);
	draw(libctx, "VMGEN-CTR-DRBG", probe, b);
	CHECK(memcmp(a, b, SIZE) != 0);
	EVP_RAND_CTX_free(probe);
	OSSL_PROVIDER_unload(provider);
	OSSL_LIB_CTX_free(libctx);
	return 0;
}
