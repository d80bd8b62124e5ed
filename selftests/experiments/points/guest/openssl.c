/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* OpenSSL's random bytes, by way of libvmgen's provider. */
#include <openssl/provider.h>
#include <openssl/rand.h>

#include "section.h"

extern OSSL_provider_init_fn OSSL_provider_init;

void prepare(void)
{
	need(OSSL_PROVIDER_add_builtin(NULL, "vmgen", OSSL_provider_init) &&
	     OSSL_PROVIDER_load(NULL, "default") && OSSL_PROVIDER_load(NULL, "vmgen") &&
	     RAND_set_DRBG_type(NULL, "VMGEN-CTR-DRBG", NULL, NULL, NULL), "provider");
	output_size = sizeof(output.bytes);
}

void section(void)
{
	int ok = RAND_bytes(output.bytes, sizeof(output.bytes));

	SECTION_END();
	need(ok == 1, "RAND_bytes");
}
