/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The wrapped DRBG is configured and tells about itself as if it were not wrapped.
 */
#include "probe.h"

static uint64_t get(EVP_RAND_CTX *rand, const char *name)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_END,
		OSSL_PARAM_END
	};
	uint64_t value = 0;

	params[0] = OSSL_PARAM_construct_uint64(name, &value);
	CHECK_SSL(EVP_RAND_CTX_get_params(rand, params));
	CHECK(params[0].return_size != OSSL_PARAM_UNMODIFIED);
	return value;
}

static void set(EVP_RAND_CTX *rand, const char *name, unsigned int value)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_uint(name, &value),
		OSSL_PARAM_END
	};

	CHECK_SSL(EVP_RAND_CTX_set_params(rand, params));
}

static int same_names(const OSSL_PARAM *a, const OSSL_PARAM *b)
{
	for (; a->key && b->key; a++, b++)
		if (strcmp(a->key, b->key) || a->data_type != b->data_type)
			return 0;
	return !a->key && !b->key;
}

static void check_cipher(EVP_RAND_CTX *rand, const char *cipher, unsigned int strength)
{
	char name[32];
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_DRBG_PARAM_CIPHER, name, sizeof(name)),
		OSSL_PARAM_END
	};
	unsigned char out[16] = { 0 };

	CHECK_SSL(EVP_RAND_CTX_get_params(rand, params));
	CHECK(!strcasecmp(name, cipher));
	CHECK(EVP_RAND_get_strength(rand) == strength);
	CHECK_SSL(EVP_RAND_generate(rand, out, sizeof(out), strength, 1, out, sizeof(out)));
	CHECK(!EVP_RAND_generate(rand, out, sizeof(out), strength + 1, 0, NULL, 0));
	ERR_clear_error();
}

/* Without the derivation function, additional input may be no longer than the state. */
static void short_key(EVP_RAND_CTX *rand)
{
	char cipher[] = "AES-128-CTR";
	int use_df = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, sizeof(cipher) - 1),
		OSSL_PARAM_int(OSSL_DRBG_PARAM_USE_DF, &use_df),
		OSSL_PARAM_END
	};

	CHECK_SSL(EVP_RAND_uninstantiate(rand));
	CHECK(EVP_RAND_get_state(rand) == EVP_RAND_STATE_UNINITIALISED);
	CHECK_SSL(EVP_RAND_verify_zeroization(rand));
	CHECK_SSL(EVP_RAND_instantiate(rand, 128, 0, NULL, 0, params));
	CHECK(!EVP_RAND_verify_zeroization(rand));
	check_cipher(rand, "AES-128-CTR", 128);
}

int main(void)
{
	int fd = counter(0);
	OSSL_LIB_CTX *libctx = context_guarded();
	EVP_RAND_CTX *seed = rand_new(libctx, "SEED-SRC", NULL);
	EVP_RAND_CTX *plain = rand_new(libctx, "CTR-DRBG", seed);
	EVP_RAND_CTX *rand = rand_new(libctx, "VMGEN-CTR-DRBG", seed);

	CHECK(same_names(EVP_RAND_gettable_ctx_params(EVP_RAND_CTX_get0_rand(rand)),
			 EVP_RAND_gettable_ctx_params(EVP_RAND_CTX_get0_rand(plain))));
	CHECK(same_names(EVP_RAND_CTX_settable_params(rand),
			 EVP_RAND_CTX_settable_params(plain)));
	CHECK(EVP_RAND_get_state(rand) == EVP_RAND_STATE_READY);
	CHECK(get(rand, OSSL_RAND_PARAM_MAX_REQUEST) == get(plain, OSSL_RAND_PARAM_MAX_REQUEST));
	set(rand, OSSL_DRBG_PARAM_RESEED_REQUESTS, 7);
	CHECK(get(rand, OSSL_DRBG_PARAM_RESEED_REQUESTS) == 7);
	check_cipher(rand, "AES-256-CTR", 256);

	/* What the DRBG of a thread was told when libcrypto made it. */
	CHECK(get(RAND_get0_public(libctx), OSSL_DRBG_PARAM_RESEED_REQUESTS) == 1 << 16);
	CHECK(get(RAND_get0_primary(libctx), OSSL_DRBG_PARAM_RESEED_REQUESTS) == 1 << 8);

	short_key(rand);
	CHECK(vmgen_test_bump(fd) == 0);
	check_cipher(rand, "AES-128-CTR", 128);
	EVP_RAND_CTX_free(rand);
	EVP_RAND_CTX_free(plain);
	EVP_RAND_CTX_free(seed);
	OSSL_LIB_CTX_free(libctx);
	return 0;
}
