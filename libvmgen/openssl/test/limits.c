/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the manual says that the provider does not cover: each is shown here, so that
 * the manual must follow when it is true no longer.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include "context.h"

/* A program of its own, as it is started with OPENSSL_CONF=vmgen.cnf. */
static void configured(void (*program)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		setenv("OPENSSL_CONF", CONFIG, 1);
		setenv("OPENSSL_MODULES", MODULES, 1);
		program();
		_exit(0);
	}
	reap(pid);
}

static void loads_the_configuration(void)
{
	CHECK(is_guarded(RAND_get0_public(NULL)));
}

static void loads_no_configuration(void)
{
	CHECK_SSL(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL));
	CHECK(!is_guarded(RAND_get0_public(NULL)));
}

/* As Node.js does: a section of its own and, where there is none, not "openssl_conf". */
static void loads_another_section(void)
{
	OPENSSL_INIT_SETTINGS *settings = OPENSSL_INIT_new();

	CHECK_SSL(OPENSSL_INIT_set_config_appname(settings, "nodejs_conf"));
	OPENSSL_INIT_set_config_file_flags(settings, CONF_MFLAGS_IGNORE_MISSING_FILE);
	CHECK_SSL(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, settings));
	OPENSSL_INIT_free(settings);
	CHECK(!is_guarded(RAND_get0_public(NULL)));
}

static void makes_a_context_of_its_own(void)
{
	OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();

	CHECK(is_guarded(RAND_get0_public(NULL)));
	CHECK_SSL(libctx && !is_guarded(RAND_get0_public(libctx)));
	OSSL_LIB_CTX_free(libctx);
}

static int own_bytes(unsigned char *buf, int size)
{
	memset(buf, 0x55, (size_t)size);
	return 1;
}

/* An engine that has a generator does the same. */
static void replaces_the_generator(void)
{
	static const RAND_METHOD method = { .bytes = own_bytes, .pseudorand = own_bytes };
	unsigned char bytes[2];

	CHECK(is_guarded(RAND_get0_public(NULL)));
	CHECK_SSL(RAND_set_rand_method(&method) == 1);
	CHECK_SSL(RAND_bytes(bytes, 2) == 1 && bytes[0] == 0x55 && bytes[1] == 0x55);
}

/* The secret number of a signature, drawn ahead, is that of all clones. */
static void draws_ahead(void)
{
	EC_KEY *key = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	const BIGNUM *r_of[2];
	ECDSA_SIG *signature[2];
	BIGNUM *k = NULL, *r = NULL;
	int i, fd = counter(0);

	CHECK_SSL(key && EC_KEY_generate_key(key));
	CHECK_SSL(ECDSA_sign_setup(key, NULL, &k, &r));
	for (i = 0; i < 2; i++) {
		CHECK(vmgen_test_bump(fd) == 0);
		signature[i] = ECDSA_do_sign_ex((const unsigned char *)(i ? "one" : "two"),
						3, k, r, key);
		CHECK_SSL(signature[i]);
		r_of[i] = ECDSA_SIG_get0_r(signature[i]);
	}
	CHECK(BN_cmp(r_of[0], r_of[1]) == 0);
	for (i = 0; i < 2; i++)
		ECDSA_SIG_free(signature[i]);
	BN_free(k);
	BN_free(r);
	EC_KEY_free(key);
}

int main(void)
{
	configured(loads_the_configuration);
	configured(loads_no_configuration);
	configured(loads_another_section);
	configured(makes_a_context_of_its_own);
	configured(replaces_the_generator);
	configured(draws_ahead);
	return 0;
}
