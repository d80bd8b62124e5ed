/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the two parts of the provider know of each other.  See vmgen-provider(7). */
#ifndef VMGEN_PROVIDER_H
#define VMGEN_PROVIDER_H

#include <stddef.h>

#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/types.h>

/* The reasons of our errors. */
enum {
	REASON_NO_DRBG = 1,
	REASON_BAD_REQUIRE,
	REASON_NO_COUNTER,
	REASON_NOT_READY,
	REASON_UNCHECKED,
	REASON_NO_ENTROPY
};

/* What has to be there for random bytes to be handed out. */
enum require {
	REQUIRE_NONE,		/* nothing, but a counter that is there must work */
	REQUIRE_COUNTER,	/* a counter */
	REQUIRE_READY,		/* one that tells when the kernel has reseeded */
	REQUIRE_UNKNOWN		/* what the configuration says is none of these */
};

#define WRAPPED_FUNCTIONS	(OSSL_FUNC_RAND_CLEAR_SEED + 1)

/*
 * The functions of the DRBG that is wrapped are called directly, and not through
 * EVP_RAND: that would lock and ask for parameters a second time, and could not be
 * given the parent that we are given.
 */
struct provider {
	const OSSL_CORE_HANDLE *handle;
	OSSL_FUNC_core_new_error_fn *new_error;
	OSSL_FUNC_core_set_error_debug_fn *set_error_debug;
	OSSL_FUNC_core_vset_error_fn *vset_error;
	OSSL_FUNC_core_get_params_fn *get_params;
	OSSL_LIB_CTX *libctx;		/* a child of the application's */
	OSSL_PROVIDER *base;		/* whose DRBG we wrap, and its context */
	void *base_ctx;
	const OSSL_DISPATCH *base_functions;
	OSSL_DISPATCH wrapped[WRAPPED_FUNCTIONS];	/* the same by number */
	enum require require;
	const char *require_name;	/* as configured */
	/*
	 * Else there was no counter as we were loaded, and none is required: the wrapped
	 * DRBG notices forks itself, so that ours would only make a child pay for more
	 * pages of its own.
	 */
	int guarded;
};

#define RAISE(p, reason, ...) \
	provider_raise((p), (reason), __FILE__, __LINE__, __func__, __VA_ARGS__)

__attribute__((__format__(__printf__, 6, 7)))
void provider_raise(const struct provider *p, unsigned int reason, const char *file,
		    int line, const char *function, const char *format, ...);

int provider_is_absent(int error);

extern const OSSL_DISPATCH drbg_functions[];

#endif /* VMGEN_PROVIDER_H */
