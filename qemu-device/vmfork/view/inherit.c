/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "field.h"
#include "inherit.h"

#define INHERIT_PATIENCE 10		/* seconds */
#define INHERIT_TRIES 8			/* its worker may die, and be started again */
#define INHERIT_BYTES 4096
#define INHERIT_BRACKETS 16

static const char request[] = "{\"op\": \"hand-over\"}";

union room {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(INHERIT_FDS * sizeof(int))];
};

void inherit_send(int sock, const char *text, const int fds[INHERIT_FDS])
{
	union room room = { .bytes = { 0 } };
	struct iovec iov = { (char *)text, strlen(text) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(INHERIT_FDS * sizeof(*fds));
	memcpy(CMSG_DATA(c), fds, INHERIT_FDS * sizeof(*fds));
	(void)!sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int failed(const char *path, const char *what)
{
	fprintf(stderr, "vmfork-view: %s: it does not hand over: %s\n", path, what);
	return -ENOTCONN;
}

/* The length of the reply, or less than 1.  fds: -1 where none came. */
static ssize_t receive(int sock, char *text, int fds[INHERIT_FDS])
{
	union room room = { .bytes = { 0 } };
	struct iovec iov = { text, INHERIT_BYTES };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes),
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	for (int i = 0; i < INHERIT_FDS; i++)
		fds[i] = -1;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return n;
}

static int parse(const char *path, const char *text, size_t size, uint64_t *frames)
{
	g_autoptr(JsonNode) root = field_parse(text, size, INHERIT_BRACKETS, NULL);
	JsonObject *object = root ? json_node_get_object(root) : NULL;
	const char *error = object ? field_text(object, "error") : NULL;

	if (!object || error || !field_number(object, "frames", frames))
		return failed(path, error ? error : "no answer that makes sense");
	return 0;
}

static int converse(const char *path, int sock, int fds[INHERIT_FDS], uint64_t *frames)
{
	char text[INHERIT_BYTES];
	ssize_t n = -1;
	int r;

	if (send(sock, request, strlen(request), MSG_NOSIGNAL) > 0)
		n = receive(sock, text, fds);
	if (n == 0 || (n < 0 && (errno == EPIPE || errno == ECONNRESET)))
		return -EAGAIN;
	if (n < 0)
		return failed(path, g_strerror(errno));
	r = parse(path, text, n, frames);
	if (r == 0 && fds[INHERIT_FDS - 1] < 0)
		r = failed(path, "no descriptors came");
	for (int i = 0; i < INHERIT_FDS && r < 0; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return r;
}

/* -EAGAIN: its worker died.  The path was measured when the plan was read. */
static int try(const char *path, int fds[INHERIT_FDS], uint64_t *frames)
{
	const struct timeval patience = { INHERIT_PATIENCE, 0 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), r;

	if (sock < 0)
		return failed(path, g_strerror(errno));
	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = failed(path, g_strerror(errno));
	else
		r = converse(path, sock, fds, frames);
	close(sock);
	return r;
}

int inherit_ask(const char *path, int fds[INHERIT_FDS], uint64_t *frames)
{
	int r = -EAGAIN;

	for (int i = 0; i < INHERIT_TRIES && r == -EAGAIN; i++)
		r = try(path, fds, frames);
	return r == -EAGAIN ? failed(path, "its worker dies again and again") : r;
}
