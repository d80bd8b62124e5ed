/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A seed source, to be the parent of a DRBG under test.  It counts how often it is
 * asked for a seed, and calls probe_hook in the middle of a generate: a CTR-DRBG then
 * asks its parent how often that was reseeded.
 */
#ifndef PROBE_H
#define PROBE_H

#include <sys/random.h>

#include "context.h"

static int probe_seeds;
static int probe_repeats;	/* always the same seed */
static void (*probe_hook)(void);

static void *probe_new(void *ctx, void *parent, const OSSL_DISPATCH *functions)
{
	static int there_is_but_one;

	(void)ctx, (void)parent, (void)functions;
	return &there_is_but_one;
}

static void probe_free(void *ctx)
{
	(void)ctx;
}

static int probe_instantiate(void *ctx, unsigned int strength, int resistance,
			     const unsigned char *text, size_t size,
			     const OSSL_PARAM params[])
{
	(void)ctx, (void)strength, (void)resistance, (void)text, (void)size, (void)params;
	return 1;
}

static int probe_uninstantiate(void *ctx)
{
	(void)ctx;
	return 1;
}

static int probe_generate(void *ctx, unsigned char *out, size_t size, unsigned int strength,
			  int resistance, const unsigned char *input, size_t input_size)
{
	(void)ctx, (void)strength, (void)resistance, (void)input, (void)input_size;
	if (probe_repeats) {
		memset(out, 0x55, size);
		return 1;
	}
	return getrandom(out, size, 0) == (ssize_t)size;
}

static int probe_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
	void (*hook)(void) = probe_hook;
	OSSL_PARAM *p;

	(void)ctx;
	p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STATE);
	if (p)
		OSSL_PARAM_set_int(p, EVP_RAND_STATE_READY);
	p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_STRENGTH);
	if (p)
		OSSL_PARAM_set_uint(p, 256);
	p = OSSL_PARAM_locate(params, OSSL_RAND_PARAM_MAX_REQUEST);
	if (p)
		OSSL_PARAM_set_size_t(p, 128);
	p = OSSL_PARAM_locate(params, OSSL_DRBG_PARAM_RESEED_COUNTER);
	if (p)
		OSSL_PARAM_set_uint(p, 1);
	if (p && hook) {
		probe_hook = NULL;
		hook();
	}
	return 1;
}

static size_t probe_get_seed(void *ctx, unsigned char **ret, int entropy, size_t min,
			     size_t max, int resistance, const unsigned char *input,
			     size_t input_size)
{
	size_t size = min > 48 ? min : 48;

	(void)entropy, (void)max;
	*ret = OPENSSL_malloc(size);
	CHECK(*ret && size <= max);
	probe_seeds++;
	CHECK(probe_generate(ctx, *ret, size, 0, resistance, input, input_size));
	return size;
}

static void probe_clear_seed(void *ctx, unsigned char *seed, size_t size)
{
	(void)ctx;
	OPENSSL_clear_free(seed, size);
}

static const OSSL_ALGORITHM *probe_query(void *ctx, int operation, int *no_cache)
{
	static const OSSL_DISPATCH functions[] = {
		{ OSSL_FUNC_RAND_NEWCTX, (void (*)(void))probe_new },
		{ OSSL_FUNC_RAND_FREECTX, (void (*)(void))probe_free },
		{ OSSL_FUNC_RAND_INSTANTIATE, (void (*)(void))probe_instantiate },
		{ OSSL_FUNC_RAND_UNINSTANTIATE, (void (*)(void))probe_uninstantiate },
		{ OSSL_FUNC_RAND_GENERATE, (void (*)(void))probe_generate },
		{ OSSL_FUNC_RAND_GET_CTX_PARAMS, (void (*)(void))probe_get_ctx_params },
		{ OSSL_FUNC_RAND_GET_SEED, (void (*)(void))probe_get_seed },
		{ OSSL_FUNC_RAND_CLEAR_SEED, (void (*)(void))probe_clear_seed },
		{ 0, NULL }
	};
	static const OSSL_ALGORITHM rands[] = {
		{ "PROBE", "provider=probe", functions, NULL },
		{ NULL, NULL, NULL, NULL }
	};

	(void)ctx;
	*no_cache = 0;
	return operation == OSSL_OP_RAND ? rands : NULL;
}

static int probe_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
		      const OSSL_DISPATCH **out, void **ret)
{
	static const OSSL_DISPATCH functions[] = {
		{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))probe_query },
		{ 0, NULL }
	};

	(void)in;
	*ret = (void *)(uintptr_t)handle;
	*out = functions;
	return 1;
}

/* A DRBG of the algorithm, instantiated. */
static inline EVP_RAND_CTX *rand_new(OSSL_LIB_CTX *libctx, const char *name, EVP_RAND_CTX *parent)
{
	char cipher[] = "AES-256-CTR";
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_string(OSSL_DRBG_PARAM_CIPHER, cipher, sizeof(cipher) - 1),
		OSSL_PARAM_END
	};
	EVP_RAND *rand = EVP_RAND_fetch(libctx, name, NULL);
	EVP_RAND_CTX *ctx;

	CHECK_SSL(rand);
	ctx = EVP_RAND_CTX_new(rand, parent);
	CHECK_SSL(ctx);
	EVP_RAND_free(rand);
	CHECK_SSL(EVP_RAND_instantiate(ctx, 0, 0, NULL, 0, params));
	return ctx;
}

static inline OSSL_PROVIDER *probe_load(OSSL_LIB_CTX *libctx)
{
	OSSL_PROVIDER *provider;

	CHECK_SSL(OSSL_PROVIDER_add_builtin(libctx, "probe", probe_init));
	provider = OSSL_PROVIDER_load(libctx, "probe");
	CHECK_SSL(provider);
	return provider;
}

#endif /* PROBE_H */
