// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * netsend SOCKET SET: sends numbered Ethernet frames to the NIC of a guest, as fast as it
 * takes them, until it is told to end by SIGTERM; prints the number of the last then.
 * SOCKET is that of QEMU's "-netdev stream,server=on".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "../stamp.h"

/* The number of bytes goes first, as the stream has it. */
struct frame {
	uint32_t size;
	unsigned char to[6], from[6];
	uint16_t type;
	unsigned char pad[2];
	uint64_t magic, set, number;
	unsigned char rest[1400];
} __attribute__((packed));

static volatile sig_atomic_t over;

static void end(int sig)
{
	(void)sig;
	over = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "netsend: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die(path);
	return fd;
}

static void send_all(int fd, const void *what, size_t n)
{
	const char *p = what;
	ssize_t sent;

	while (n && !over) {
		sent = send(fd, p, n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EINTR)
			die("send");
		if (sent > 0) {
			p += sent;
			n -= sent;
		}
	}
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = end };
	struct frame f = {
		.size = htonl(sizeof(f) - sizeof(f.size)),
		.to = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.from = { 2, 0, 0, 0, 0, 1 },
		.type = htons(0x88b5),		/* for experiments */
		.magic = STAMP_MAGIC,
	};
	int fd;

	if (argc != 3)
		die("usage: netsend SOCKET SET");
	sigaction(SIGTERM, &act, NULL);
	f.set = atoi(argv[2]);
	fd = connect_to(argv[1]);
	while (!over) {
		f.number++;
		send_all(fd, &f, sizeof(f));
	}
	printf("%llu\n", (unsigned long long)f.number);
	return 0;
}
