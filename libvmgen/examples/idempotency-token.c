/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A client that must not have its orders carried out twice gives each a token: the
 * server does what comes with a token once, however often it comes.
 *
 * In the clones of a machine that turns around.  Two orders that got the same token
 * before they were sent count as one, and one of them is lost.  So a token is checked
 * in the last moment before it is sent, and an order whose token is stale gets a new
 * one.  After the first byte is out, the token stays, for every attempt: a sibling that
 * sends it again repeats an order that was given once.
 *
 *	idempotency-token BODY...	orders on standard output, one a line
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vmgen.h>

#define TOKEN_SIZE	16

struct order {
	char line[512];
	size_t size;
	size_t sent;
};

static vmgen_guard guard = VMGEN_GUARD_INIT;

/* Tokens are drawn when they are needed: nothing is kept that could grow stale. */
static int no_state(void *ctx)
{
	(void)ctx;
	return 0;
}

static int order_write(struct order *order, const char *body)
{
	uint8_t token[TOKEN_SIZE];
	int i, n, r;

	r = vmgen_getrandom(token, sizeof(token), VMGEN_UNVERIFIED);
	if (r < 0)
		return r;
	for (i = 0; i < TOKEN_SIZE; i++)
		sprintf(order->line + 2 * i, "%02x", token[i]);
	n = snprintf(order->line + 2 * i, sizeof(order->line) - 2 * i, " %s\n", body);
	if ((size_t)n >= sizeof(order->line) - 2 * i)
		return -EMSGSIZE;
	order->size = 2 * i + n;
	order->sent = 0;
	return 0;
}

/*
 * The first byte commits to the token.  A file may be stale, too, and stays so: that is
 * no reason to try again.
 */
static ssize_t order_begin(struct order *order, int fd, const char *body)
{
	vmgen_epoch epoch;
	ssize_t n;

	do {
		epoch = vmgen_begin(&guard, no_state, NULL);
		if (!epoch)
			return -EIO;
		n = order_write(order, body);
		if (n < 0)
			return n;
		n = vmgen_write(&guard, epoch, fd, order->line, order->size);
	} while (n == -EINTR || (n == -ESTALE && vmgen_retry(&guard, epoch)));
	return n;
}

/* Standard output may take a part at a time; so may a socket. */
static int order_send(struct order *order, int fd, const char *body)
{
	ssize_t n = order_begin(order, fd, body);

	while (n >= 0) {
		order->sent += n;
		if (order->sent == order->size)
			return 0;
		n = write(fd, order->line + order->sent, order->size - order->sent);
		if (n < 0)
			n = errno == EINTR ? 0 : -errno;
	}
	return (int)n;
}

int main(int argc, char **argv)
{
	struct order order;
	int i;

	for (i = 1; i < argc; i++)
		if (order_send(&order, STDOUT_FILENO, argv[i]) < 0)
			return 1;
	return 0;
}
