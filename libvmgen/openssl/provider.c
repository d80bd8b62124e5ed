/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The provider "vmgen": one algorithm, which wraps the CTR-DRBG of the default
 * provider.  That one is found through a child of the application's library context:
 * if the application has the default provider, it is that very instance.
 */
#include <errno.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <vmgen.h>

#include "provider.h"

#define BASE		"default"
#define ALGORITHM	"CTR-DRBG"

#ifndef VERSION
#define VERSION		"unknown"
#endif

/* libcrypto's type is older than "const". */
#define REASON(number, text)	{ REASON_##number, (char *)(text) }

static const OSSL_ITEM reasons[] = {
	REASON(NO_DRBG, "no " ALGORITHM " in the provider " BASE),
	REASON(BAD_REQUIRE, "require is none of: none, counter, ready"),
	REASON(NO_COUNTER, "no generation counter"),
	REASON(NOT_READY, "the counter does not tell when the kernel has reseeded"),
	REASON(UNCHECKED, "the generation counter cannot be checked"),
	REASON(NO_ENTROPY, "no random bytes from the kernel"),
	{ 0, NULL }
};

void provider_raise(const struct provider *p, unsigned int reason, const char *file,
		    int line, const char *function, const char *format, ...)
{
	va_list args;

	if (!p->new_error || !p->set_error_debug || !p->vset_error)
		return;
	va_start(args, format);
	p->new_error(p->handle);
	p->set_error_debug(p->handle, file, line, function);
	p->vset_error(p->handle, reason, format, args);
	va_end(args);
}

static void core_functions(struct provider *p, const OSSL_DISPATCH *in)
{
	for (; in->function_id; in++) {
		if (in->function_id == OSSL_FUNC_CORE_NEW_ERROR)
			p->new_error = OSSL_FUNC_core_new_error(in);
		else if (in->function_id == OSSL_FUNC_CORE_SET_ERROR_DEBUG)
			p->set_error_debug = OSSL_FUNC_core_set_error_debug(in);
		else if (in->function_id == OSSL_FUNC_CORE_VSET_ERROR)
			p->vset_error = OSSL_FUNC_core_vset_error(in);
		else if (in->function_id == OSSL_FUNC_CORE_GET_PARAMS)
			p->get_params = OSSL_FUNC_core_get_params(in);
	}
}

/*
 * "require = ..." of the section that configures us.  libcrypto drops the errors of a
 * provider that does not start, so what is wrong here is told to who draws bytes.
 */
static void read_configuration(struct provider *p)
{
	static const char *const names[] = { "none", "counter", "ready" };
	char *value = NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_utf8_ptr("require", &value, 0),
		OSSL_PARAM_END
	};
	size_t i;

	p->require = REQUIRE_NONE;
	p->require_name = names[REQUIRE_NONE];
	if (!p->get_params || !p->get_params(p->handle, params) || !value)
		return;
	p->require_name = value;
	for (i = 0; i < REQUIRE_UNKNOWN; i++)
		if (!strcmp(value, names[i]))
			break;
	p->require = (enum require)i;
}

/* There is no counter for this process, as opposed to: it could not be checked. */
int provider_is_absent(int error)
{
	return error == -ENOENT || error == -ENXIO || error == -ENODEV ||
	       error == -EACCES || error == -EPERM || error == -ENODATA;
}

/* An algorithm goes by several names, with colons between them. */
static int has_name(const char *names, const char *name)
{
	size_t size = strlen(name);

	for (; names; names = strchr(names, ':')) {
		names += *names == ':';
		if (!strncasecmp(names, name, size) &&
		    (names[size] == '\0' || names[size] == ':'))
			return 1;
	}
	return 0;
}

/* All of them are there or none is of use. */
static int take_functions(struct provider *p, const OSSL_DISPATCH *from)
{
	const OSSL_DISPATCH *f;

	p->base_functions = from;
	for (; from->function_id; from++)
		if (from->function_id < WRAPPED_FUNCTIONS)
			p->wrapped[from->function_id] = *from;
	for (f = drbg_functions; f->function_id; f++)
		if (!p->wrapped[f->function_id].function)
			return 0;
	return 1;
}

static int find_drbg(struct provider *p)
{
	const OSSL_ALGORITHM *all, *a;
	int no_cache, found = 0;

	all = OSSL_PROVIDER_query_operation(p->base, OSSL_OP_RAND, &no_cache);
	for (a = all; a && a->algorithm_names && !found; a++)
		found = has_name(a->algorithm_names, ALGORITHM) &&
			take_functions(p, a->implementation);
	OSSL_PROVIDER_unquery_operation(p->base, OSSL_OP_RAND, all);
	return found;
}

/* The application keeps its fallback provider, if it relies on that. */
static int wrap_drbg(struct provider *p, const OSSL_DISPATCH *in)
{
	p->libctx = OSSL_LIB_CTX_new_child(p->handle, in);
	if (p->libctx)
		p->base = OSSL_PROVIDER_try_load(p->libctx, BASE, 1);
	if (p->base && find_drbg(p)) {
		p->base_ctx = OSSL_PROVIDER_get0_provider_ctx(p->base);
		return 1;
	}
	RAISE(p, REASON_NO_DRBG, "OpenSSL %s", OpenSSL_version(OPENSSL_VERSION_STRING));
	return 0;
}

static void provider_teardown(void *ctx)
{
	struct provider *p = ctx;

	OSSL_PROVIDER_unload(p->base);
	OSSL_LIB_CTX_free(p->libctx);
	OPENSSL_free(p);
}

static const OSSL_PARAM *provider_gettable_params(void *ctx)
{
	static const OSSL_PARAM params[] = {
		OSSL_PARAM_DEFN(OSSL_PROV_PARAM_NAME, OSSL_PARAM_UTF8_PTR, NULL, 0),
		OSSL_PARAM_DEFN(OSSL_PROV_PARAM_VERSION, OSSL_PARAM_UTF8_PTR, NULL, 0),
		OSSL_PARAM_DEFN(OSSL_PROV_PARAM_STATUS, OSSL_PARAM_INTEGER, NULL, 0),
		OSSL_PARAM_END
	};

	(void)ctx;
	return params;
}

static int provider_get_params(void *ctx, OSSL_PARAM params[])
{
	OSSL_PARAM *p;

	(void)ctx;
	p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
	if (p && !OSSL_PARAM_set_utf8_ptr(p, "libvmgen DRBG"))
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_VERSION);
	if (p && !OSSL_PARAM_set_utf8_ptr(p, VERSION))
		return 0;
	p = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);
	return !p || OSSL_PARAM_set_int(p, 1);
}

static const OSSL_ALGORITHM *provider_query(void *ctx, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM rands[] = {
		{ "VMGEN-CTR-DRBG", "provider=vmgen", drbg_functions,
		  ALGORITHM " that is reseeded when the machine was restored or the process forked" },
		{ NULL, NULL, NULL, NULL }
	};

	(void)ctx;
	*no_cache = 0;
	return operation == OSSL_OP_RAND ? rands : NULL;
}

static const OSSL_ITEM *provider_reasons(void *ctx)
{
	(void)ctx;
	return reasons;
}

static const OSSL_DISPATCH provider_functions[] = {
	{ OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))provider_teardown },
	{ OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, (void (*)(void))provider_gettable_params },
	{ OSSL_FUNC_PROVIDER_GET_PARAMS, (void (*)(void))provider_get_params },
	{ OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))provider_query },
	{ OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, (void (*)(void))provider_reasons },
	{ 0, NULL }
};

__attribute__((__visibility__("default"))) OSSL_provider_init_fn OSSL_provider_init;

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
		       const OSSL_DISPATCH **out, void **ret)
{
	struct provider *p = OPENSSL_zalloc(sizeof(*p));

	if (!p)
		return 0;
	p->handle = handle;
	core_functions(p, in);
	read_configuration(p);
	if (!wrap_drbg(p, in)) {
		provider_teardown(p);
		return 0;
	}
	/* Now, because later it may be in a sandbox. */
	p->guarded = p->require != REQUIRE_NONE || !provider_is_absent(vmgen_open());
	*ret = p;
	*out = provider_functions;
	return 1;
}
