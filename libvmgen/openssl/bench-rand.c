/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the provider adds to RAND_bytes(), in one run: two library contexts, one as
 * Debian configures it and one with vmgen.cnf, drawn from in turns.  Each pair of short
 * rounds gives a ratio; the median of thousands of them stands still on a machine that
 * is not quiet.  Where a context happens to lie in memory makes a percent of difference,
 * so there are several pairs of contexts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/conf.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include <vmgen.h>
#include <vmgen-test.h>

#define CONTEXTS	16
#define PAIRS		250	/* for each context */
#define ALL		(CONTEXTS * PAIRS)
#define CALLS		200

static void fail(const char *what)
{
	fprintf(stderr, "bench-rand: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Nanoseconds for one call. */
static double draw(OSSL_LIB_CTX *libctx, size_t size)
{
	unsigned char out[1024];
	double start = now();
	int i;

	for (i = 0; i < CALLS; i++)
		if (RAND_bytes_ex(libctx, out, size, 0) != 1)
			fail("RAND_bytes_ex()");
	return (now() - start) / CALLS;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ALL, sizeof(*values), compare);
	return values[ALL / 2];
}

static OSSL_LIB_CTX *plain[CONTEXTS], *guarded[CONTEXTS];

/* Which of the two comes first changes from pair to pair. */
static void measure(size_t size)
{
	static double without[ALL], with[ALL], ratio[ALL];
	double ratio_of_all;
	int i, c;

	for (i = 0; i < ALL; i++) {
		c = i % CONTEXTS;
		if (i & 1)
			with[i] = draw(guarded[c], size);
		without[i] = draw(plain[c], size);
		if (!(i & 1))
			with[i] = draw(guarded[c], size);
		ratio[i] = with[i] / without[i];
	}
	ratio_of_all = median(ratio);
	printf("RAND_bytes(%-4zu)  %10.1f ns %10.1f ns %10.3f\n", size, median(without),
	       median(with), ratio_of_all);
}

static void install_counter(void)
{
	int fd = vmgen_test_create(0);
	int r = fd < 0 ? fd : vmgen_test_install(fd);

	if (r < 0)
		fail(strerror(-r));
}

static void new_contexts(int i)
{
	const char *modules = getenv("OPENSSL_MODULES");
	const char *config = getenv("OPENSSL_CONF");
	EVP_RAND_CTX *rand;

	plain[i] = OSSL_LIB_CTX_new();
	guarded[i] = OSSL_LIB_CTX_new();
	if (!plain[i] || !guarded[i] ||
	    !OSSL_PROVIDER_load(plain[i], "default") ||
	    !OSSL_PROVIDER_set_default_search_path(guarded[i], modules ? modules : MODULES) ||
	    !OSSL_LIB_CTX_load_config(guarded[i], config ? config : CONFIG))
		fail("no library contexts");
	rand = RAND_get0_public(guarded[i]);
	if (!rand || !EVP_RAND_is_a(EVP_RAND_CTX_get0_rand(rand), "VMGEN-CTR-DRBG"))
		fail("the provider is not in use");
	draw(plain[i], 32);
	draw(guarded[i], 32);
}

int main(void)
{
	int i;

	install_counter();
	for (i = 0; i < CONTEXTS; i++)
		new_contexts(i);
	printf("OpenSSL %-8s %13s %13s %10s\n", OpenSSL_version(OPENSSL_VERSION_STRING),
	       "without", "with", "ratio");
	measure(16);
	measure(32);
	measure(1024);
	for (i = 0; i < CONTEXTS; i++) {
		OSSL_LIB_CTX_free(guarded[i]);
		OSSL_LIB_CTX_free(plain[i]);
	}
	return 0;
}
