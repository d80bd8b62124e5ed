/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Without a counter, "require = none" goes on, the others hand out nothing and say why;
 * an unknown value is refused.
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

int main(void)
{
	OSSL_LIB_CTX *libctx = context_new();
	int fd = counter(0);

	check_value("none", fd, 1);
	check_value("counter", fd, 0);
	check_value("ready", fd, 0);

	CHECK_SSL(context_require(libctx, "something"));
	CHECK(!draws(libctx));
	CHECK(was_told("require = something"));
	OSSL_LIB_CTX_free(libctx);
	return 0;
}
