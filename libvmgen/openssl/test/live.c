/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the provider cannot do, and its manual says so: connections that live on.  Two
 * clones of one TLS connection have its keys and its counters, and whatever random bytes
 * they draw afterwards, they encrypt different plaintexts with one key stream.  The same
 * holds for a handshake that is under way.  What they must do helps: a new connection.
 *
 * Two children of fork() stand for the clones.  A peer in memory answers them.
 */
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "context.h"

#define TEXT	32
#define RECORD	512

/* What one clone has sent. */
struct sent {
	unsigned char hello[RECORD];	/* of a new connection */
	unsigned char record[RECORD];	/* on the old one: header, nonce, ciphertext */
	unsigned char random[TEXT];
	int size;
};

static const char texts[2][TEXT + 1] = {
	"one clone's answer to its client", "the other clone says what it is "
};

static OSSL_LIB_CTX *libctx;
static SSL_CTX *server_ctx, *client_ctx;

static void certificate(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(libctx, NULL, "RSA", (size_t)2048);
	X509 *x = X509_new_ex(libctx, NULL);

	CHECK_SSL(key && x && X509_set_pubkey(x, key));
	CHECK_SSL(X509_gmtime_adj(X509_getm_notBefore(x), 0));
	CHECK_SSL(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
	CHECK_SSL(X509_sign(x, key, EVP_sha256()));
	CHECK_SSL(SSL_CTX_use_certificate(ctx, x) == 1);
	CHECK_SSL(SSL_CTX_use_PrivateKey(ctx, key) == 1);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void setup(int version)
{
	server_ctx = SSL_CTX_new_ex(libctx, NULL, TLS_server_method());
	client_ctx = SSL_CTX_new_ex(libctx, NULL, TLS_client_method());
	CHECK_SSL(server_ctx && client_ctx);
	CHECK_SSL(SSL_CTX_set_max_proto_version(client_ctx, version));
	CHECK_SSL(SSL_CTX_set_cipher_list(client_ctx, "ECDHE-RSA-AES128-GCM-SHA256"));
	CHECK_SSL(SSL_CTX_set_ciphersuites(client_ctx, "TLS_AES_128_GCM_SHA256"));
	CHECK_SSL(SSL_CTX_set_num_tickets(server_ctx, 0));
	certificate(server_ctx);
}

static void teardown(void)
{
	SSL_CTX_free(server_ctx);
	SSL_CTX_free(client_ctx);
}

static SSL *new_end(SSL_CTX *ctx)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	SSL *ssl = SSL_new(ctx);

	CHECK_SSL(ssl && in && out);
	BIO_set_mem_eof_return(in, -1);
	BIO_set_mem_eof_return(out, -1);
	SSL_set_bio(ssl, in, out);
	return ssl;
}

/* What one end has written goes to the other. */
static void carry(SSL *from, SSL *to)
{
	unsigned char buf[8192];
	int n;

	while ((n = BIO_read(SSL_get_wbio(from), buf, sizeof(buf))) > 0)
		CHECK_SSL(BIO_write(SSL_get_rbio(to), buf, n) == n);
}

/* Until @end has nothing more to say; true when it has all that it needs. */
static int handshake(SSL *end)
{
	int r = SSL_do_handshake(end);

	CHECK_SSL(r == 1 || SSL_get_error(end, r) == SSL_ERROR_WANT_READ);
	return r == 1;
}

static void connect_ends(SSL *client, SSL *server)
{
	int i, done = 0;

	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (i = 0; i < 4 && done < 2; i++) {
		done = handshake(client);
		carry(client, server);
		done += handshake(server);
		carry(server, client);
	}
	CHECK(done == 2);
}

static int written(SSL *ssl, unsigned char *buf)
{
	return BIO_read(SSL_get_wbio(ssl), buf, RECORD);
}

/* A clone: it draws bytes, goes on with the connection, and then makes a new one. */
static void clone_sends(SSL *ssl, const char *text, struct sent *ret)
{
	unsigned char rest[8192];
	SSL *new = new_end(client_ctx);

	CHECK_SSL(RAND_bytes_ex(libctx, ret->random, TEXT, 0) == 1);
	if (!SSL_is_init_finished(ssl)) {
		CHECK(handshake(ssl));
		while (BIO_read(SSL_get_wbio(ssl), rest, sizeof(rest)) > 0)
			;
	}
	CHECK_SSL(SSL_write(ssl, text, TEXT) == TEXT);
	ret->size = written(ssl, ret->record);
	SSL_set_connect_state(new);
	CHECK(!handshake(new) && written(new, ret->hello) > 100);
	SSL_free(new);
}

static struct sent clone_of(SSL *ssl, const char *text)
{
	struct sent sent = { 0 };
	int fds[2];
	pid_t pid;

	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		clone_sends(ssl, text, &sent);
		CHECK(write(fds[1], &sent, sizeof(sent)) == (ssize_t)sizeof(sent));
		_exit(0);
	}
	close(fds[1]);
	CHECK(read(fds[0], &sent, sizeof(sent)) == (ssize_t)sizeof(sent));
	close(fds[0]);
	reap(pid);
	return sent;
}

/* @at: where the ciphertext begins.  In TLS 1.2 the nonce lies before it, in the clear. */
static void check_clones(SSL *ssl, int at)
{
	struct sent a = clone_of(ssl, texts[0]), b = clone_of(ssl, texts[1]);
	int i;

	CHECK(memcmp(a.random, b.random, TEXT) != 0);
	CHECK(a.size == b.size && a.size >= at + TEXT);
	CHECK(memcmp(a.record, b.record, (size_t)at) == 0);
	for (i = 0; i < TEXT; i++)
		CHECK((a.record[at + i] ^ b.record[at + i]) == (texts[0][i] ^ texts[1][i]));
	CHECK(memcmp(a.hello + 11, b.hello + 11, 32) != 0);
}

static void live_connection(int version, int at)
{
	SSL *client, *server;

	setup(version);
	client = new_end(client_ctx);
	server = new_end(server_ctx);
	connect_ends(client, server);
	CHECK(SSL_version(client) == version);
	check_clones(client, at);
	check_clones(server, at);
	SSL_free(client);
	SSL_free(server);
	teardown();
}

/* The client has sent its key share, and the answer has come. */
static void handshake_under_way(void)
{
	SSL *client, *server;

	setup(TLS1_3_VERSION);
	client = new_end(client_ctx);
	server = new_end(server_ctx);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	CHECK(!handshake(client));
	carry(client, server);
	CHECK(!handshake(server));
	carry(server, client);
	check_clones(client, 5);
	SSL_free(client);
	SSL_free(server);
	teardown();
}

/* A ticket that one clone has sealed, the other opens. */
static void ticket_keys(void)
{
	unsigned char before[80], after[80];

	setup(TLS1_2_VERSION);
	CHECK_SSL(SSL_CTX_get_tlsext_ticket_keys(server_ctx, before, sizeof(before)) == 1);
	CHECK(memcmp(before, before + 1, sizeof(before) - 1) != 0);
	CHECK(vmgen_test_bump(counter(0)) == 0);
	CHECK_SSL(SSL_CTX_get_tlsext_ticket_keys(server_ctx, after, sizeof(after)) == 1);
	CHECK(memcmp(before, after, sizeof(before)) == 0);
	teardown();
}

int main(void)
{
	counter(0);
	libctx = context_guarded();
	CHECK(is_guarded(RAND_get0_public(libctx)));
	live_connection(TLS1_2_VERSION, 5 + 8);
	live_connection(TLS1_3_VERSION, 5);
	handshake_under_way();
	ticket_keys();
	OSSL_LIB_CTX_free(libctx);
	return 0;
}
