/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * ecdsa-signer plain|guarded ASK ANSWER: signs each line that comes through the FIFO
 * ASK, with ECDSA on P-256 and SHA-256, and writes "public=", "r=" and "s=" lines into
 * the FIFO ANSWER.  Prints "private=" once, at the start, for the experiment to compare.
 *
 * As the standard says, each signature takes a number that is used once.  It comes from
 * a generator in this process: a ChaCha20 stream under a key from the kernel.  Who
 * knows that two signatures share the number has the private key (see nonce-recover.c).
 * The two kinds of signer differ in main() and sign_guarded(), and nowhere else.
 *
 * OpenSSL's own ECDSA_sign() mixes the private key and the message into that number,
 * because this has happened to others, so curve and numbers are all that is used of it.
 */
#include <sys/random.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <vmgen.h>

#include "guest.h"

static EC_GROUP *group;
static const BIGNUM *order;
static BN_CTX *ctx;
static BIGNUM *private;
static EC_POINT *public;

static EVP_CIPHER_CTX *prng;
static vmgen_guard guard = VMGEN_GUARD_INIT;

static void fail(const char *what)
{
	fprintf(stderr, "ecdsa-signer: %s\n", what);
	exit(1);
}

static void need(const void *pointer)
{
	if (!pointer)
		fail("no memory");
}

/* --- The generator ------------------------------------------------------------ */

static int reseed(void *unused)
{
	static const unsigned char counter[16];
	unsigned char key[32];

	(void)unused;
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return -errno;
	return EVP_EncryptInit_ex(prng, EVP_chacha20(), NULL, key, counter) == 1 ? 0 : -EIO;
}

/* A number from 1 to the order less one. */
static void draw_number(BIGNUM *k)
{
	static const unsigned char zero[32];
	unsigned char bytes[32];
	int size;

	do {
		if (EVP_EncryptUpdate(prng, bytes, &size, zero, sizeof(zero)) != 1 ||
		    !BN_bin2bn(bytes, sizeof(bytes), k))
			fail("no random number");
	} while (BN_is_zero(k) || BN_cmp(k, order) >= 0);
}

/* --- The signature ------------------------------------------------------------ */

static void hash(BIGNUM *z, const char *message)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)message, strlen(message), digest);
	if (!BN_bin2bn(digest, sizeof(digest), z))
		fail("no hash");
}

/* r: the x coordinate of k times the base point; s: (z + r private) / k */
static void sign(const char *message, BIGNUM *r, BIGNUM *s)
{
	EC_POINT *point = EC_POINT_new(group);
	BIGNUM *k = BN_new(), *z = BN_new();

	need(point), need(k), need(z);
	hash(z, message);
	draw_number(k);
	if (!EC_POINT_mul(group, point, k, NULL, NULL, ctx) ||
	    !EC_POINT_get_affine_coordinates(group, point, r, NULL, ctx) ||
	    !BN_nnmod(r, r, order, ctx) ||
	    !BN_mod_mul(s, r, private, order, ctx) ||
	    !BN_mod_add(s, s, z, order, ctx) ||
	    !BN_mod_inverse(k, k, order, ctx) ||
	    !BN_mod_mul(s, s, k, order, ctx))
		fail("no signature");
	BN_clear_free(k);
	BN_free(z);
	EC_POINT_free(point);
}

static void sign_guarded(const char *message, BIGNUM *r, BIGNUM *s)
{
	vmgen_epoch epoch;

	do {	/* no signature that was made across a restore leaves this loop */
		epoch = vmgen_begin(&guard, reseed, NULL);
		if (!epoch)
			fail("no entropy");
		sign(message, r, s);
	} while (vmgen_retry(&guard, epoch));
}

/* --- The service -------------------------------------------------------------- */

static void make_key(void)
{
	group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	need(group);
	order = EC_GROUP_get0_order(group);
	ctx = BN_CTX_new(), prng = EVP_CIPHER_CTX_new();
	private = BN_new(), public = EC_POINT_new(group);
	need(ctx), need(prng), need(private), need(public);
	if (reseed(NULL))
		fail("no entropy");
	draw_number(private);
	if (!EC_POINT_mul(group, public, private, NULL, NULL, ctx))
		fail("no public key");
}

static void print_number(FILE *to, const char *name, const BIGNUM *n)
{
	char *hex = BN_bn2hex(n);

	need(hex);
	fprintf(to, "%s=%s\n", name, hex);
	OPENSSL_free(hex);
}

static void print_public(FILE *to)
{
	char *hex = EC_POINT_point2hex(group, public, POINT_CONVERSION_UNCOMPRESSED, ctx);

	need(hex);
	fprintf(to, "public=%s\n", hex);
	OPENSSL_free(hex);
}

static FILE *open_fifo(const char *path, const char *mode)
{
	FILE *f = fopen(path, mode);

	if (!f)
		die(path);
	return f;
}

static void receive(const char *path, char *message, size_t size)
{
	FILE *from = open_fifo(path, "re");

	if (!fgets(message, (int)size, from))
		message[0] = '\0';
	message[strcspn(message, "\n")] = '\0';
	fclose(from);
}

static void answer(const char *path, const BIGNUM *r, const BIGNUM *s)
{
	FILE *to = open_fifo(path, "we");

	print_public(to);
	print_number(to, "r", r);
	print_number(to, "s", s);
	fclose(to);
}

int main(int argc, char **argv)
{
	void (*how)(const char *, BIGNUM *, BIGNUM *) = sign;
	BIGNUM *r = BN_new(), *s = BN_new();
	char message[256];

	if (argc != 4)
		return 2;
	if (!strcmp(argv[1], "guarded"))
		how = sign_guarded;
	need(r), need(s);
	make_key();
	print_number(stdout, "private", private);
	fflush(stdout);
	for (;;) {
		receive(argv[2], message, sizeof(message));
		how(message, r, s);
		answer(argv[3], r, s);
	}
}
