/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A service that hands out random tokens from two generators in its own memory: one
 * that libvmgen guards, and one that is the same in everything else.  Restore a
 * snapshot of its machine twice, and the second kind comes out twice.
 *
 *	token-service SOCKET			serve, in the foreground
 *	token-service --ask SOCKET WHAT		ask the service for one thing
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <vmgen.h>

#define TOKEN_SIZE	16
#define LINE_MAX_SIZE	512

static const char usage[] =
	"usage: token-service SOCKET\n"
	"       token-service --ask SOCKET WHAT\n"
	"\n"
	"Serve tokens on the unix socket SOCKET, or ask a service for WHAT:\n"
	"\n"
	"  guarded    a token from a generator that notices restored snapshots\n"
	"  unguarded  a token from the same kind of generator that does not\n"
	"  random     bytes from getrandom()\n"
	"  info       generation, instance id, mode and status\n"
	"  all        a line with all of them, getrandom() first\n"
	"\n"
	"The service prints \"ready\" when both generators are seeded and in use.\n";

/* A ChaCha20 generator whose key is replaced by its own output each time. */
struct drbg {
	uint32_t key[8];
};

static uint32_t rotate(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

static void quarter(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 7);
}

static void double_round(uint32_t *x)
{
	int i;

	for (i = 0; i < 4; i++)
		quarter(x, i, 4 + i, 8 + i, 12 + i);
	for (i = 0; i < 4; i++)
		quarter(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
}

/* One block of RFC 8439 with counter and nonce 0: no key is used twice. */
static void block(const uint32_t key[8], uint32_t out[16])
{
	uint32_t in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	int i;

	memcpy(in + 4, key, 32);
	memcpy(out, in, sizeof(in));
	for (i = 0; i < 10; i++)
		double_round(out);
	for (i = 0; i < 16; i++)
		out[i] += in[i];
}

static void draw(struct drbg *drbg, uint8_t token[TOKEN_SIZE])
{
	uint32_t out[16];

	block(drbg->key, out);
	memcpy(drbg->key, out, sizeof(drbg->key));
	memcpy(token, out + 8, TOKEN_SIZE);
	explicit_bzero(out, sizeof(out));
}

static int reseed(void *drbg)
{
	return getrandom(drbg, sizeof(struct drbg), 0) == sizeof(struct drbg) ? 0 : -1;
}

static struct drbg plain;
static struct drbg prng;
static vmgen_guard guard = VMGEN_GUARD_INIT;

static int new_token(uint8_t token[TOKEN_SIZE])
{
	vmgen_epoch epoch;

	do {	/* nothing that was drawn across a restore leaves this loop */
		epoch = vmgen_begin(&guard, reseed, &prng);
		if (!epoch)
			return -1;
		draw(&prng, token);
	} while (vmgen_retry(&guard, epoch));
	return 0;
}

/* Answers append to a line that has LINE_MAX_SIZE bytes. */

static void append_hex(char *line, const uint8_t *bytes, size_t n)
{
	size_t i, at = strlen(line);

	for (i = 0; i < n; i++)
		sprintf(line + at + 2 * i, "%02x", bytes[i]);
}

static void answer_guarded(char *line)
{
	uint8_t token[TOKEN_SIZE];

	if (new_token(token) < 0)
		strcat(line, "error: no entropy");
	else
		append_hex(line, token, sizeof(token));
}

static void answer_unguarded(char *line)
{
	uint8_t token[TOKEN_SIZE];

	draw(&plain, token);
	append_hex(line, token, sizeof(token));
}

static void answer_random(char *line)
{
	uint8_t bytes[TOKEN_SIZE];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		strcat(line, "error: no entropy");
	else
		append_hex(line, bytes, sizeof(bytes));
}

static void answer_info(char *line)
{
	static const char *const status[] = {
		"active", "notify-only", "absent", "denied", "broken",
	};
	struct vmgen_info info = { 0 };
	int r = vmgen_sync(&info);

	sprintf(line + strlen(line), "generation=%" PRIu64 " instance=", info.generation);
	append_hex(line, info.instance_id, sizeof(info.instance_id));
	sprintf(line + strlen(line), " mode=%s crng=%s status=%s",
		r < 0 ? "none" : info.flags & VMGEN_INFO_HYPERVISOR ? "hypervisor" : "software",
		info.flags & VMGEN_INFO_CRNG_RESEEDED ? "reseeded" : "unverified",
		status[vmgen_status()]);
}

static void answer_all(char *line)
{
	strcat(line, "random=");
	answer_random(line);
	strcat(line, " unguarded=");
	answer_unguarded(line);
	strcat(line, " guarded=");
	answer_guarded(line);
	strcat(line, " ");
	answer_info(line);
}

static const struct {
	const char *name;
	void (*answer)(char *line);
} requests[] = {
	{ "guarded", answer_guarded },
	{ "unguarded", answer_unguarded },
	{ "random", answer_random },
	{ "info", answer_info },
	{ "all", answer_all },
};

static void answer(const char *request, char *line)
{
	size_t i;

	for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (!strcmp(request, requests[i].name)) {
			requests[i].answer(line);
			return;
		}
	strcat(line, "error: unknown request");
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "token-service: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Up to the newline or the end of the stream, as a string.  Length or -1. */
static ssize_t read_line(int fd, char *line, size_t size)
{
	size_t n = 0;
	ssize_t r;

	while (n < size - 1 && (!n || line[n - 1] != '\n')) {
		r = read(fd, line + n, size - 1 - n);
		if (r < 0)
			return -1;
		if (!r)
			break;
		n += (size_t)r;
	}
	line[n] = 0;
	line[strcspn(line, "\n")] = 0;
	return (ssize_t)n;
}

static int send_line(int fd, char *line)
{
	size_t n;

	strcat(line, "\n");
	n = strlen(line);
	return send(fd, line, n, MSG_NOSIGNAL) == (ssize_t)n ? 0 : -1;
}

static int address(const char *path, struct sockaddr_un *sun)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sun->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(sun->sun_path, path);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int listen_on(const char *path)
{
	struct sockaddr_un sun;
	struct stat st;
	int fd = address(path, &sun);

	if (fd < 0)
		die(path);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 16) < 0)
		die(path);
	return fd;
}

static void serve_one(int fd)
{
	char request[32], line[LINE_MAX_SIZE] = "";

	if (read_line(fd, request, sizeof(request)) > 0) {
		answer(request, line);
		send_line(fd, line);
	}
	close(fd);
}

/* The first token of each is drawn before anybody asks: a warm service. */
static _Noreturn void serve(const char *path)
{
	char line[LINE_MAX_SIZE] = "";
	int fd = listen_on(path), client;

	if (reseed(&plain) < 0)
		die("getrandom");
	answer_all(line);
	puts("ready");
	fflush(stdout);
	for (;;) {
		client = accept(fd, NULL, NULL);
		if (client >= 0)
			serve_one(client);
		else if (errno != EINTR && errno != ECONNABORTED)
			die("accept");
	}
}

static int ask(const char *path, const char *what)
{
	char line[LINE_MAX_SIZE] = "";
	struct sockaddr_un sun;
	int fd = address(path, &sun);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		die(path);
	if (strlen(what) > 16) {
		errno = EINVAL;
		die(what);
	}
	strcpy(line, what);
	if (send_line(fd, line) < 0 || read_line(fd, line, sizeof(line)) <= 0)
		die("no answer");
	puts(line);
	return !strncmp(line, "error:", 6);
}

int main(int argc, char **argv)
{
	if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc == 2 && argv[1][0] != '-')
		serve(argv[1]);
	if (argc == 4 && !strcmp(argv[1], "--ask"))
		return ask(argv[2], argv[3]);
	fputs(usage, stderr);
	return 2;
}
