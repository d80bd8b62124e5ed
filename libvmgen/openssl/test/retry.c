/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What is being generated when the generation changes is thrown away, and generated
 * anew from fresh entropy: what a program draws, and what a DRBG of another provider
 * is seeded with.  What a DRBG of ours was seeded with meanwhile is not used.
 */
#include "probe.h"

static int fd;

static void restore(void)
{
	CHECK(vmgen_test_bump(fd) == 0);
}

static void generate(EVP_RAND_CTX *rand)
{
	unsigned char out[64];

	CHECK_SSL(EVP_RAND_generate(rand, out, sizeof(out), 0, 0, NULL, 0));
}

static void reseed(EVP_RAND_CTX *rand)
{
	CHECK_SSL(EVP_RAND_reseed(rand, 0, NULL, 0, NULL, 0));
}

/* @act goes on across a restore; the seed source is asked @times times. */
static void check(void (*act)(EVP_RAND_CTX *), EVP_RAND_CTX *rand, int times)
{
	int before = probe_seeds;

	act(rand);
	CHECK(probe_seeds == before);
	probe_hook = restore;
	act(rand);
	CHECK(!probe_hook && probe_seeds == before + times);
}

int main(void)
{
	EVP_RAND_CTX *probe, *primary, *child, *foreign;
	OSSL_PROVIDER *provider;
	OSSL_LIB_CTX *libctx;
	unsigned int before;

	fd = counter(0);
	libctx = context_guarded();
	provider = probe_load(libctx);
	probe = rand_new(libctx, "PROBE", NULL);
	primary = rand_new(libctx, "VMGEN-CTR-DRBG", probe);
	child = rand_new(libctx, "VMGEN-CTR-DRBG", primary);
	foreign = rand_new(libctx, "CTR-DRBG", primary);
	generate(primary);
	generate(child);
	generate(foreign);

	check(generate, primary, 1);
	check(reseed, foreign, 1);

	/* The child is seeded by a parent that does not know of the restore yet. */
	check(reseed, child, 0);
	before = seeded(child);
	generate(child);
	CHECK(seeded(child) == before + 1);

	EVP_RAND_CTX_free(foreign);
	EVP_RAND_CTX_free(child);
	EVP_RAND_CTX_free(primary);
	EVP_RAND_CTX_free(probe);
	OSSL_PROVIDER_unload(provider);
	OSSL_LIB_CTX_free(libctx);
	return 0;
}
