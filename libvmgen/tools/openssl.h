/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Whether programs that use OpenSSL get their random numbers from the provider vmgen. */
#ifndef VMGEN_OPENSSL_H
#define VMGEN_OPENSSL_H

#include "report.h"

/*
 * @unguarded: the verdict where they do not
 * @counter: there is one that the provider can go by
 */
void check_openssl(struct report *r, enum verdict unguarded, bool counter);

#endif /* VMGEN_OPENSSL_H */
