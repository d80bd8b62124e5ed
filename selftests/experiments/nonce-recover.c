/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * nonce-recover PUBLIC MESSAGE R S MESSAGE R S: from a public key on P-256 and two
 * ECDSA signatures under it, prints the private key, if both were made with one random
 * number.  All that an eavesdropper has, and school algebra:
 *
 *	s1 = (z1 + r d) / k	s2 = (z2 + r d) / k
 *	k = (z1 - z2) / (s1 - s2)	d = (s1 k - z1) / r
 *
 * Exit status: 0 recovered, and it is the key; 1 nothing to recover; 2 wrong usage, or
 * what was given is no signature
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/sha.h>

struct signature {
	BIGNUM *z, *r, *s;
};

static EC_GROUP *group;
static const BIGNUM *order;
static BN_CTX *ctx;

static void fail(const char *what)
{
	fprintf(stderr, "nonce-recover: %s\n", what);
	exit(2);
}

static BIGNUM *number(const char *hex)
{
	BIGNUM *n = NULL;

	if (!BN_hex2bn(&n, hex) || BN_is_zero(n) || BN_cmp(n, order) >= 0)
		fail("that is no number below the order");
	return n;
}

static struct signature signature(char **argv)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)argv[0], strlen(argv[0]), digest);
	return (struct signature){
		BN_bin2bn(digest, sizeof(digest), NULL), number(argv[1]), number(argv[2]),
	};
}

/* Whether r is the x coordinate of z / s times the base point plus r / s times the key. */
static int verify(const EC_POINT *public, const struct signature *sig)
{
	EC_POINT *point = EC_POINT_new(group);
	BIGNUM *u = BN_new(), *v = BN_new(), *x = BN_new();

	if (!point || !u || !v || !x ||
	    !BN_mod_inverse(x, sig->s, order, ctx) ||
	    !BN_mod_mul(u, sig->z, x, order, ctx) ||
	    !BN_mod_mul(v, sig->r, x, order, ctx) ||
	    !EC_POINT_mul(group, point, u, public, v, ctx) ||
	    !EC_POINT_get_affine_coordinates(group, point, x, NULL, ctx) ||
	    !BN_nnmod(x, x, order, ctx))
		fail("cannot verify");
	return BN_cmp(x, sig->r) == 0;
}

/* NULL: the two do not determine one. */
static BIGNUM *recover(const struct signature *a, const struct signature *b)
{
	BIGNUM *k = BN_new(), *d = BN_new();

	if (!k || !d ||
	    !BN_mod_sub(d, a->s, b->s, order, ctx) ||
	    BN_is_zero(d) ||
	    !BN_mod_inverse(d, d, order, ctx) ||
	    !BN_mod_sub(k, a->z, b->z, order, ctx) ||
	    !BN_mod_mul(k, k, d, order, ctx) ||
	    !BN_mod_mul(d, a->s, k, order, ctx) ||
	    !BN_mod_sub(d, d, a->z, order, ctx) ||
	    !BN_mod_inverse(k, a->r, order, ctx) ||
	    !BN_mod_mul(d, d, k, order, ctx))
		return NULL;
	return d;
}

static int is_key_of(const BIGNUM *private, const EC_POINT *public)
{
	EC_POINT *point = EC_POINT_new(group);

	if (!point || !EC_POINT_mul(group, point, private, NULL, NULL, ctx))
		fail("cannot multiply");
	return EC_POINT_cmp(group, point, public, ctx) == 0;
}

int main(int argc, char **argv)
{
	struct signature a, b;
	EC_POINT *public;
	BIGNUM *private;

	if (argc != 8)
		fail("PUBLIC MESSAGE R S MESSAGE R S");
	group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	ctx = BN_CTX_new();
	if (!group || !ctx)
		fail("no memory");
	order = EC_GROUP_get0_order(group);
	public = EC_POINT_hex2point(group, argv[1], NULL, ctx);
	if (!public)
		fail("that is no public key");
	a = signature(argv + 2);
	b = signature(argv + 5);
	if (!verify(public, &a) || !verify(public, &b))
		fail("that is no signature of this message under this key");
	private = recover(&a, &b);
	if (!private || !is_key_of(private, public)) {
		puts("nothing to recover");
		return 1;
	}
	printf("private=%s\n", BN_bn2hex(private));
	return 0;
}
