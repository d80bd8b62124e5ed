/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * VMGEN-CTR-DRBG: the CTR-DRBG of another provider, reseeded before it generates in
 * an epoch for the first time.
 *
 * libcrypto chains its DRBGs: a seed source, the primary DRBG, and below it a public
 * and a private one for each thread.  All but the source are ours, and each reseeds
 * its parent first.  So whatever a DRBG takes from its parent while its own epoch
 * lasts comes from a parent that was reseeded in that epoch, and what it takes as the
 * epoch ends goes into a state that is reseeded before it is used.
 *
 * From OpenSSL 3.5 on the lock functions of a DRBG do nothing, and it takes its lock
 * itself where it touches its state.  Hence several threads may be in any function of
 * the primary DRBG at a time, and it is guarded by a vmgen_once: one of them reseeds,
 * the others wait for that.
 */
#include <errno.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <vmgen.h>

#include "provider.h"

/* What any of our DRBGs may be given as additional input, of the shortest key. */
#define FRESH_SIZE	32

struct drbg {
	vmgen_once once;
	const OSSL_DISPATCH *wrapped;	/* of the provider, by number */
	void *ctx;			/* the DRBG in it */
	size_t max_request;
	pid_t pid;			/* in which it was last renewed */
	struct drbg *parent;		/* if it is one of ours */
	const struct provider *provider;
};

/* CALL(d, generate, GENERATE)(...): a function of the wrapped DRBG */
#define CALL(d, name, NUMBER) \
	OSSL_FUNC_rand_##name(&(d)->wrapped[OSSL_FUNC_RAND_##NUMBER])

static void drbg_free(void *ctx)
{
	struct drbg *d = ctx;

	if (!d)
		return;
	CALL(d, freectx, FREECTX)(d->ctx);
	OPENSSL_free(d);
}

/* The wrapped DRBGs are parent and child as ours are, and call each other directly. */
static void *drbg_new(void *ctx, void *parent, const OSSL_DISPATCH *parent_functions)
{
	const struct provider *p = ctx;
	struct drbg *d = OPENSSL_zalloc(sizeof(*d));

	if (!d)
		return NULL;
	/* Strict: not a byte where there is a counter that cannot be checked. */
	vmgen_once_init_strict(&d->once);
	d->pid = getpid();
	d->provider = p;
	d->wrapped = p->wrapped;
	if (parent_functions == drbg_functions) {
		d->parent = parent;
		parent = d->parent->ctx;
		parent_functions = p->base_functions;
	}
	d->ctx = CALL(d, newctx, NEWCTX)(p->base_ctx, parent, parent_functions);
	if (d->ctx)
		return d;
	OPENSSL_free(d);
	return NULL;
}

/*
 * There is one, and it does not tell when the kernel has reseeded; or in software mode the
 * program has closed the descriptor by which the kernel could be asked.
 */
static int is_unverified(int error)
{
	return error == -EOPNOTSUPP || error == -EBADF;
}

static unsigned int reason_of(const struct provider *p, int error)
{
	if (p->require == REQUIRE_UNKNOWN)
		return REASON_BAD_REQUIRE;
	if (is_unverified(error))
		return REASON_NOT_READY;
	return provider_is_absent(error) ? REASON_NO_COUNTER : REASON_UNCHECKED;
}

/*
 * May random bytes be used that libvmgen does not vouch for, because of this error?
 * Never because of a counter that is there and could not be checked: this machine may
 * have been restored, and the kernel's bytes may be those of its siblings.
 */
static int is_enough(const struct provider *p, int error)
{
	switch (p->require) {
	case REQUIRE_NONE:
		return is_unverified(error) || provider_is_absent(error);
	case REQUIRE_COUNTER:
		return is_unverified(error);
	default:
		return 0;
	}
}

/*
 * Random bytes of this epoch, if there is what "require" says.  A process in a sandbox
 * that kills may get here, so nothing here may look for devices, as vmgen_sync() does.
 */
static int fresh_bytes(const struct provider *p, unsigned char *bytes, size_t size)
{
	int r = p->require == REQUIRE_UNKNOWN ? -EINVAL : vmgen_getrandom(bytes, size, 0);
	unsigned int reason;

	if (r == 0)
		return 0;
	reason = reason_of(p, r);
	if (is_enough(p, r)) {
		r = vmgen_getrandom(bytes, size, VMGEN_UNVERIFIED);
		reason = REASON_NO_ENTROPY;
	}
	if (r < 0)
		RAISE(p, reason, "require = %s: %s", p->require_name, strerror(-r));
	return r;
}

static vmgen_epoch drbg_begin(struct drbg *d);

static int renew_parent(struct drbg *d)
{
	int ok;

	if (!d)
		return 1;
	if (!CALL(d, lock, LOCK)(d->ctx))
		return 0;
	ok = drbg_begin(d) != 0;
	CALL(d, unlock, UNLOCK)(d->ctx);
	return ok;
}

/*
 * In a new process the wrapped DRBG reseeds when it generates, and mixes in the additional
 * input of that call.  To reseed it before would do all of that twice.
 */
static int mix_in(struct drbg *d, const unsigned char *fresh)
{
	unsigned char unused[FRESH_SIZE];
	pid_t pid = getpid();
	int ok;

	if (d->pid == pid)
		return CALL(d, reseed, RESEED)(d->ctx, 0, NULL, 0, fresh, FRESH_SIZE);
	ok = CALL(d, generate, GENERATE)(d->ctx, unused, sizeof(unused), 0, 0,
					 fresh, FRESH_SIZE);
	OPENSSL_cleanse(unused, sizeof(unused));
	d->pid = ok ? pid : d->pid;
	return ok;
}

/*
 * Called in an epoch that the kernel is ready for.  The fresh bytes are additional
 * input, which is allowed for any DRBG at any time and cannot weaken it: whatever the
 * seed source is, this state differs from that of its siblings.
 */
static int drbg_renew(void *ctx)
{
	unsigned char fresh[FRESH_SIZE];
	struct drbg *d = ctx;
	int r = fresh_bytes(d->provider, fresh, sizeof(fresh));

	if (r < 0)
		return r;
	if (!renew_parent(d->parent) || !mix_in(d, fresh))
		r = -EIO;
	OPENSSL_cleanse(fresh, sizeof(fresh));
	return r;
}

/* Without an epoch, the reseed has told why not; of one that was not called, it cannot. */
static vmgen_epoch drbg_begin(struct drbg *d)
{
	vmgen_epoch epoch = vmgen_once_begin(&d->once, drbg_renew, d);
	int r = epoch ? 0 : vmgen_getrandom(NULL, 0, 0);

	/* So many restores and forks on the way to here that there is no room to note one. */
	if (r == -ENOSPC && vmgen_open() == 0)
		return vmgen_once_begin(&d->once, drbg_renew, d);
	if (r < 0 && !provider_is_absent(r))
		RAISE(d->provider, reason_of(d->provider, r), "%s", strerror(-r));
	return epoch;
}

/* Nothing of a failed attempt is left for a caller who does not look at the result. */
static int drbg_generate(void *ctx, unsigned char *out, size_t size,
			 unsigned int strength, int prediction_resistance,
			 const unsigned char *input, size_t input_size)
{
	struct drbg *d = ctx;
	vmgen_epoch epoch;

	if (!d->provider->guarded)
		return CALL(d, generate, GENERATE)(d->ctx, out, size, strength,
						   prediction_resistance, input, input_size);
	do {
		epoch = drbg_begin(d);
		if (!epoch || !CALL(d, generate, GENERATE)(d->ctx, out, size, strength,
							   prediction_resistance,
							   input, input_size)) {
			OPENSSL_cleanse(out, size);
			return 0;
		}
	} while (vmgen_once_retry(&d->once, epoch));
	return 1;
}

static void drbg_clear_seed(void *ctx, unsigned char *seed, size_t size)
{
	struct drbg *d = ctx;

	CALL(d, clear_seed, CLEAR_SEED)(d->ctx, seed, size);
}

/* For a child that is none of ours. */
static size_t drbg_get_seed(void *ctx, unsigned char **ret, int entropy, size_t min,
			    size_t max, int prediction_resistance,
			    const unsigned char *input, size_t input_size)
{
	unsigned char *seed = NULL;
	struct drbg *d = ctx;
	vmgen_epoch epoch;
	size_t size = 0;

	if (!d->provider->guarded)
		return CALL(d, get_seed, GET_SEED)(d->ctx, ret, entropy, min, max,
						   prediction_resistance, input, input_size);
	do {
		if (size)
			drbg_clear_seed(d, seed, size);
		epoch = drbg_begin(d);
		size = 0;
		if (epoch)
			size = CALL(d, get_seed, GET_SEED)(d->ctx, &seed, entropy, min, max,
							   prediction_resistance,
							   input, input_size);
		if (!size)
			return 0;
	} while (vmgen_once_retry(&d->once, epoch));
	*ret = seed;
	return size;
}

static int drbg_reseed(void *ctx, int prediction_resistance, const unsigned char *entropy,
		       size_t entropy_size, const unsigned char *input, size_t input_size)
{
	struct drbg *d = ctx;

	return CALL(d, reseed, RESEED)(d->ctx, prediction_resistance, entropy,
				       entropy_size, input, input_size);
}

/*
 * The name of the provider (OpenSSL 3.5 gives it, so that the cipher comes from the
 * same place) and a query for it mean us, and we have no ciphers.
 */
static int is_ours(const OSSL_PARAM *p)
{
	return !strcmp(p->key, OSSL_PROV_PARAM_CORE_PROV_NAME) ||
	       !strcmp(p->key, OSSL_DRBG_PARAM_PROPERTIES);
}

/* The parameters that the wrapped DRBG is to see; to be freed. */
static OSSL_PARAM *params_without_ours(const OSSL_PARAM params[])
{
	OSSL_PARAM *copy, *to;
	size_t n = 0;

	while (params && params[n].key)
		n++;
	copy = to = OPENSSL_zalloc((n + 1) * sizeof(*copy));
	if (!copy)
		return NULL;
	for (; n; n--, params++)
		if (!is_ours(params))
			*to++ = *params;
	*to = OSSL_PARAM_construct_end();
	return copy;
}

/* It never changes, and EVP_RAND_generate() asks for it each time. */
static int keep_max_request(struct drbg *d)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_size_t(OSSL_RAND_PARAM_MAX_REQUEST, &d->max_request),
		OSSL_PARAM_END
	};

	return CALL(d, get_ctx_params, GET_CTX_PARAMS)(d->ctx, params);
}

static int drbg_instantiate(void *ctx, unsigned int strength, int prediction_resistance,
			    const unsigned char *text, size_t text_size,
			    const OSSL_PARAM params[])
{
	OSSL_PARAM *theirs = params_without_ours(params);
	struct drbg *d = ctx;
	int ok;

	if (!theirs)
		return 0;
	ok = CALL(d, instantiate, INSTANTIATE)(d->ctx, strength, prediction_resistance,
					       text, text_size, theirs);
	OPENSSL_free(theirs);
	return ok && keep_max_request(d);
}

static int drbg_set_ctx_params(void *ctx, const OSSL_PARAM params[])
{
	OSSL_PARAM *theirs = params_without_ours(params);
	struct drbg *d = ctx;
	int ok;

	if (!theirs)
		return 0;
	ok = CALL(d, set_ctx_params, SET_CTX_PARAMS)(d->ctx, theirs);
	OPENSSL_free(theirs);
	return ok;
}

static int drbg_uninstantiate(void *ctx)
{
	struct drbg *d = ctx;

	return CALL(d, uninstantiate, UNINSTANTIATE)(d->ctx);
}

static int drbg_enable_locking(void *ctx)
{
	struct drbg *d = ctx;

	return CALL(d, enable_locking, ENABLE_LOCKING)(d->ctx);
}

static int drbg_lock(void *ctx)
{
	struct drbg *d = ctx;

	return CALL(d, lock, LOCK)(d->ctx);
}

static void drbg_unlock(void *ctx)
{
	struct drbg *d = ctx;

	CALL(d, unlock, UNLOCK)(d->ctx);
}

static int drbg_get_ctx_params(void *ctx, OSSL_PARAM params[])
{
	struct drbg *d = ctx;

	if (d->max_request && params->key && !params[1].key &&
	    !strcmp(params->key, OSSL_RAND_PARAM_MAX_REQUEST))
		return OSSL_PARAM_set_size_t(params, d->max_request);
	return CALL(d, get_ctx_params, GET_CTX_PARAMS)(d->ctx, params);
}

static int drbg_verify_zeroization(void *ctx)
{
	struct drbg *d = ctx;

	return CALL(d, verify_zeroization, VERIFY_ZEROIZATION)(d->ctx);
}

/* There need not be a DRBG to ask for what can be asked of one. */
static const OSSL_PARAM *drbg_gettable_ctx_params(void *ctx, void *provider)
{
	const struct provider *p = provider;
	struct drbg *d = ctx;

	return CALL(p, gettable_ctx_params, GETTABLE_CTX_PARAMS)(d ? d->ctx : NULL,
								 p->base_ctx);
}

static const OSSL_PARAM *drbg_settable_ctx_params(void *ctx, void *provider)
{
	const struct provider *p = provider;
	struct drbg *d = ctx;

	return CALL(p, settable_ctx_params, SETTABLE_CTX_PARAMS)(d ? d->ctx : NULL,
								 p->base_ctx);
}

#define FUNCTION(NUMBER, name)	{ OSSL_FUNC_RAND_##NUMBER, (void (*)(void))drbg_##name }

const OSSL_DISPATCH drbg_functions[] = {
	FUNCTION(NEWCTX, new),
	FUNCTION(FREECTX, free),
	FUNCTION(INSTANTIATE, instantiate),
	FUNCTION(UNINSTANTIATE, uninstantiate),
	FUNCTION(GENERATE, generate),
	FUNCTION(RESEED, reseed),
	FUNCTION(ENABLE_LOCKING, enable_locking),
	FUNCTION(LOCK, lock),
	FUNCTION(UNLOCK, unlock),
	FUNCTION(GETTABLE_CTX_PARAMS, gettable_ctx_params),
	FUNCTION(SETTABLE_CTX_PARAMS, settable_ctx_params),
	FUNCTION(GET_CTX_PARAMS, get_ctx_params),
	FUNCTION(SET_CTX_PARAMS, set_ctx_params),
	FUNCTION(VERIFY_ZEROIZATION, verify_zeroization),
	FUNCTION(GET_SEED, get_seed),
	FUNCTION(CLEAR_SEED, clear_seed),
	{ 0, NULL }
};
