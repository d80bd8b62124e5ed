/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * examples/idempotency-token.c: a restore before the first byte gives the order another
 * token, and the stale one is never sent; a restore after it leaves the token alone.
 */
#include <sys/socket.h>

#include "test.h"

#define MOST	8

static uint8_t tokens[MOST][16];
static int machine, draws, restores_before, restores_after, no_epoch;

/* The machine is restored when the token is drawn, and nothing is written yet. */
static int draw(void *token, size_t size, unsigned int flags)
{
	int r = vmgen_getrandom(token, size, flags);

	CHECK(r == 0 && size == sizeof(tokens[0]) && draws < MOST);
	memcpy(tokens[draws++], token, size);
	if (restores_before && restores_before--)
		CHECK(vmgen_test_bump(machine) == 0);
	return 0;
}

/* The machine is restored when some bytes are out. */
static ssize_t write_some(const vmgen_guard *g, vmgen_epoch e, int fd, const void *buf,
			  size_t size)
{
	if (!restores_after)
		return vmgen_write(g, e, fd, buf, size);
	CHECK(vmgen_write(g, e, fd, buf, 10) == 10);
	CHECK(vmgen_test_bump(machine) == 0);
	return 10;
}

static vmgen_epoch begin(vmgen_guard *g, int (*reseed)(void *ctx), void *ctx)
{
	return no_epoch ? 0 : vmgen_begin(g, reseed, ctx);
}

#define vmgen_begin	begin
#define vmgen_getrandom	draw
#define vmgen_write	write_some
#define main		example_main
int main(int argc, char **argv);
#include "../examples/idempotency-token.c"
#undef main
#undef vmgen_write
#undef vmgen_getrandom
#undef vmgen_begin

/* One order arrives, and it has the token that was drawn last. */
static void check_sent(int fds[2], const char *body)
{
	char line[1024], expected[1024];
	struct order order;
	ssize_t n;
	int i;

	draws = 0;
	CHECK(order_send(&order, fds[0], body) == 0);
	n = recv(fds[1], line, sizeof(line) - 1, MSG_DONTWAIT);
	CHECK(n > 0);
	line[n] = '\0';
	for (i = 0; i < TOKEN_SIZE; i++)
		sprintf(expected + 2 * i, "%02x", tokens[draws - 1][i]);
	snprintf(expected + 2 * i, sizeof(expected) - 2 * i, " %s\n", body);
	CHECK(strcmp(line, expected) == 0);
	CHECK(recv(fds[1], line, sizeof(line), MSG_DONTWAIT) < 0);
}

static void each_order_has_a_token_of_its_own(int fds[2])
{
	uint8_t first[TOKEN_SIZE];

	check_sent(fds, "pay 1");
	CHECK(draws == 1);
	memcpy(first, tokens[0], TOKEN_SIZE);
	check_sent(fds, "pay 1");
	CHECK(draws == 1 && memcmp(first, tokens[0], TOKEN_SIZE) != 0);
}

static void a_stale_token_is_not_sent(int fds[2])
{
	restores_before = 3;
	check_sent(fds, "pay 2");
	CHECK(draws == 4 && memcmp(tokens[2], tokens[3], TOKEN_SIZE) != 0);
}

static void a_token_that_is_out_stays(int fds[2])
{
	restores_after = 1;
	check_sent(fds, "pay 3");
	CHECK(draws == 1);
	restores_after = 0;
}

static void errors_are_told(int fds[2])
{
	static char body[512];
	struct order order;

	memset(body, 'x', sizeof(body) - 1);
	CHECK(order_send(&order, fds[0], body) == -EMSGSIZE);
	CHECK(order_send(&order, -1, "pay 4") == -EBADF);
	draws = 0;
	no_epoch = 1;
	CHECK(order_send(&order, fds[0], "pay 5") == -EIO);
	no_epoch = 0;
}

int main(void)
{
	int fds[2];

	machine = counter(0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	each_order_has_a_token_of_its_own(fds);
	a_stale_token_is_not_sent(fds);
	a_token_that_is_out_stays(fds);
	errors_are_told(fds);
	return 0;
}
