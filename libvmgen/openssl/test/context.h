/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Library contexts with the provider in them, and what is known of their DRBGs. */
#ifndef CONTEXT_H
#define CONTEXT_H

#include <fcntl.h>
#include <sys/mman.h>

#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include "../../test/test.h"

/* CHECK(), with what libcrypto has to say. */
#define CHECK_SSL(cond) \
	do { \
		if (!(cond)) { \
			ERR_print_errors_fp(stderr); \
			CHECK(!#cond); \
		} \
	} while (0)

static inline OSSL_LIB_CTX *context_new(void)
{
	OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();

	CHECK_SSL(libctx);
	CHECK_SSL(OSSL_PROVIDER_set_default_search_path(libctx, MODULES));
	return libctx;
}

/* As a program that was started with OPENSSL_CONF=vmgen.cnf. */
static inline OSSL_LIB_CTX *context_guarded(void)
{
	OSSL_LIB_CTX *libctx = context_new();

	CHECK_SSL(OSSL_LIB_CTX_load_config(libctx, CONFIG));
	return libctx;
}

/* The same with another value of "require"; 0 if the configuration is refused. */
static inline int context_require(OSSL_LIB_CTX *libctx, const char *require)
{
	int fd = memfd_create("cnf", MFD_CLOEXEC);
	char path[40];
	int ok;

	CHECK(fd >= 0);
	dprintf(fd, "openssl_conf = init\n[init]\nrandom = random\nproviders = providers\n"
		"[random]\nrandom = VMGEN-CTR-DRBG\n"
		"[providers]\ndefault = on\nvmgen = required\n"
		"[on]\nactivate = 1\n[required]\nactivate = 1\nrequire = %s\n", require);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ok = OSSL_LIB_CTX_load_config(libctx, path);
	close(fd);
	return ok;
}

/* How often this DRBG has been seeded. */
static inline unsigned int seeded(EVP_RAND_CTX *rand)
{
	unsigned int count = 0;
	OSSL_PARAM params[] = {
		OSSL_PARAM_uint(OSSL_DRBG_PARAM_RESEED_COUNTER, &count),
		OSSL_PARAM_END
	};

	CHECK_SSL(EVP_RAND_CTX_get_params(rand, params));
	CHECK(count > 0);
	return count;
}

static inline int is_guarded(EVP_RAND_CTX *rand)
{
	return EVP_RAND_is_a(EVP_RAND_CTX_get0_rand(rand), "VMGEN-CTR-DRBG");
}

/* Is the text in the queue of errors?  Empties it. */
static inline int was_told(const char *text)
{
	char line[512];
	unsigned long error;
	const char *data;
	int flags, found = 0;

	while ((error = ERR_get_error_all(NULL, NULL, NULL, &data, &flags))) {
		ERR_error_string_n(error, line, sizeof(line));
		if (strstr(line, text) || ((flags & ERR_TXT_STRING) && strstr(data, text)))
			found = 1;
		else
			fprintf(stderr, "error: %s:%s\n", line, data);
	}
	return found;
}

#endif /* CONTEXT_H */
