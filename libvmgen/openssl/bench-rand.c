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
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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
#define CHILDREN	1000	/* of each kind; a multiple of CONTEXTS */

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

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return values[n / 2];
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
	ratio_of_all = median(ratio, ALL);
	printf("RAND_bytes(%-4zu)  %10.1f ns %10.1f ns %10.3f\n", size,
	       median(without, ALL), median(with, ALL), ratio_of_all);
}

/* Nanoseconds for the first call of a child, which finds pages shared and caches cold. */
static double draw_in_child(OSSL_LIB_CTX *libctx, double *shared)
{
	unsigned char out[32];
	double start;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		start = now();
		if (RAND_bytes_ex(libctx, out, sizeof(out), 0) != 1)
			_exit(1);
		*shared = now() - start;
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
		fail("no child, or no bytes in it");
	return *shared;
}

static void measure_children(const char *what)
{
	static double without[CHILDREN], with[CHILDREN], ratio[CHILDREN];
	double *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double ratio_of_all;
	int i, c;

	if (shared == MAP_FAILED)
		fail("no memory");
	for (i = 0; i < CHILDREN; i++) {
		c = i % CONTEXTS;
		if (i & 1)
			with[i] = draw_in_child(guarded[c], shared);
		without[i] = draw_in_child(plain[c], shared);
		if (!(i & 1))
			with[i] = draw_in_child(guarded[c], shared);
		ratio[i] = with[i] / without[i];
	}
	munmap(shared, sizeof(*shared));
	ratio_of_all = median(ratio, CHILDREN);
	printf("%-17s %10.1f ns %10.1f ns %10.3f\n", what, median(without, CHILDREN),
	       median(with, CHILDREN), ratio_of_all);
}

static int new_counter(void)
{
	int fd = vmgen_test_create(0);

	if (fd < 0)
		fail(strerror(-fd));
	return fd;
}

static void use_counter(int fd)
{
	int r = vmgen_test_install(fd);

	if (r < 0)
		fail(strerror(-r));
}

/* Whatever this machine has. */
static void use_none(void)
{
	int fd = new_counter();

	if (vmgen_test_fault(fd, VMGEN_TEST_REMOVE) < 0)
		fail("the counter cannot be removed");
	use_counter(fd);
}

/* The context's threads have drawn in the epoch of their parent, as in a server. */
static void draw_all(void)
{
	int i;

	for (i = 0; i < CONTEXTS; i++)
		draw(guarded[i], 32);
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

	use_none();
	for (i = 0; i < CONTEXTS; i++)
		new_contexts(i);
	printf("OpenSSL %-8s %13s %13s %10s\n", OpenSSL_version(OPENSSL_VERSION_STRING),
	       "without", "with", "ratio");
	measure_children("child, no counter");
	use_counter(new_counter());
	draw_all();
	measure_children("child, counter");
	measure(16);
	measure(32);
	measure(1024);
	for (i = 0; i < CONTEXTS; i++) {
		OSSL_LIB_CTX_free(guarded[i]);
		OSSL_LIB_CTX_free(plain[i]);
	}
	return 0;
}
