/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Without what is required, nothing is handed out, and the reason is told; "require =
 * none" goes on where there is no counter.  A counter that is there and cannot be
 * checked is never gone past.  An unknown value is refused.
 */
#include "context.h"

/* Whoever does not look at the result has no bytes either: all are as they were, or 0. */
static int draws(OSSL_LIB_CTX *libctx)
{
	unsigned char out[32];
	int ok;

	memset(out, 0x55, sizeof(out));
	ok = RAND_bytes_ex(libctx, out, sizeof(out), 0) == 1;
	CHECK(ok == (memcmp(out, out + 1, sizeof(out) - 1) != 0));
	return ok;
}

static void check_value(const char *require, int fd, int without)
{
	OSSL_LIB_CTX *libctx = context_new();

	CHECK_SSL(context_require(libctx, require));
	CHECK_SSL(draws(libctx));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(draws(libctx) == without);
	CHECK(without || was_told("no generation counter"));
	CHECK(draws(libctx) == without);
	ERR_clear_error();
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK_SSL(draws(libctx));
	OSSL_LIB_CTX_free(libctx);
}

/* A counter that says nothing of the kernel is enough for "counter", not for "ready". */
static void check_readiness(const char *require, int enough)
{
	OSSL_LIB_CTX *libctx = context_new();
	int fd = counter(VMGEN_TEST_VMCLOCK);

	CHECK_SSL(context_require(libctx, require));
	CHECK(draws(libctx) == enough);
	CHECK(enough || was_told("the counter does not tell when the kernel has reseeded"));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(draws(libctx) == enough);
	ERR_clear_error();
	OSSL_LIB_CTX_free(libctx);
}

/* In the generation that begins with the fault, and in the next one. */
static void check_broken(const char *require, unsigned int flags, enum vmgen_test_fault fault)
{
	OSSL_LIB_CTX *libctx = context_new();
	int fd = counter(flags), i;

	CHECK_SSL(context_require(libctx, require));
	CHECK_SSL(draws(libctx));
	CHECK(vmgen_test_fault(fd, fault) == 0);
	for (i = 0; i < 2; i++) {
		CHECK(vmgen_test_bump(fd) == 0);
		CHECK(!draws(libctx) && !draws(libctx));
		CHECK(was_told("the generation counter cannot be checked"));
	}
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK_SSL(draws(libctx));
	OSSL_LIB_CTX_free(libctx);
	close(fd);
}

static void check_all_broken(const char *require)
{
	static const enum vmgen_test_fault faults[] = {
		VMGEN_TEST_WEDGE, VMGEN_TEST_GARBAGE, VMGEN_TEST_VERSION,
		VMGEN_TEST_SHRINK, VMGEN_TEST_SHORT
	};
	size_t i;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		check_broken(require, 0, faults[i]);
	if (strcmp(require, "ready") != 0) {
		check_broken(require, VMGEN_TEST_VMCLOCK, VMGEN_TEST_TEAR);
		check_broken(require, VMGEN_TEST_VMCLOCK, VMGEN_TEST_GARBAGE);
	}
}

int main(void)
{
	OSSL_LIB_CTX *libctx = context_new();
	int fd = counter(0);

	check_value("none", fd, 1);
	check_value("counter", fd, 0);
	check_value("ready", fd, 0);

	check_readiness("none", 1);
	check_readiness("counter", 1);
	check_readiness("ready", 0);

	check_all_broken("none");
	check_all_broken("counter");
	check_all_broken("ready");

	CHECK_SSL(context_require(libctx, "something"));
	CHECK(!draws(libctx));
	CHECK(was_told("require = something"));
	OSSL_LIB_CTX_free(libctx);
	return 0;
}
