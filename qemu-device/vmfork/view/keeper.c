/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keeper.h"
#include "mount.h"
#include "view.h"
#include "worker.h"

#define KEEPER_PATIENCE 5	/* seconds: one that stands still is as good as none */

enum { KEEPER_RELEASE, KEEPER_INHERIT, KEEPER_LOWER, KEEPER_SERVED };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A message of the worker: one byte, and two descriptors or less.  0: it is dead. */
static int receive(int sock, char *op, int fds[2])
{
	char control[CMSG_SPACE(2 * sizeof(int))];
	struct iovec iov = { op, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	fds[0] = fds[1] = -1;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
	return n > 0;
}

/* The spawner's standard error is let go, and main() may return. */
static void announce(struct view *v)
{
	atomic_store(&v->frames.book->served, 1);
	dup2(v->log, STDERR_FILENO);
	(void)!write(v->ready, "", 1);
	close_fd(&v->ready);
}

static void handle(struct view *v, char op, const int fds[2])
{
	switch (op) {
	case KEEPER_RELEASE:
		close_fd(&v->plan.uffd);
		close_fd(&v->plan.peer);
		break;
	case KEEPER_INHERIT:
		close_fd(&v->plan.uffd);
		close_fd(&v->plan.peer);
		v->plan.uffd = fds[0];
		v->plan.peer = fds[1];
		break;
	case KEEPER_LOWER:
		close_fd(&v->plan.lower);
		v->plan.lower = fds[0];
		break;
	case KEEPER_SERVED:
		announce(v);
		break;
	}
}

/* Until the worker is dead. */
static void serve(struct view *v, int sock)
{
	int fds[2];
	char op;

	while (receive(sock, &op, fds)) {
		handle(v, op, fds);
		(void)!send(sock, &op, 1, MSG_NOSIGNAL);
	}
}

static pid_t start(struct view *v, int *sock)
{
	const struct timeval patience = { KEEPER_PATIENCE, 0 };
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		v->keeper = pair[1];
		worker_run(v);
	}
	close(pair[1]);
	*sock = pair[0];
	return pid;
}

/* True: it has died too often of late. */
static bool hopeless(time_t *deaths, unsigned int n)
{
	time_t now = time(NULL), *oldest = &deaths[n % KEEPER_DEATHS];
	bool often = n >= KEEPER_DEATHS && now - *oldest < KEEPER_SECONDS;

	*oldest = now;
	return often;
}

static void give_up(struct view *v)
{
	fprintf(stderr, "vmfork-view: the worker died %d times in %d seconds; "
		"the view is given up\n", KEEPER_DEATHS, KEEPER_SECONDS);
	close_fd(&v->plan.uffd);
	close_fd(&v->plan.peer);
	unlink(v->socket);
	mount_remove(v->mount, true);
	_exit(1);
}

/* One worker's life.  The status it ended with. */
static int live(struct view *v)
{
	int sock, status = 0;
	pid_t pid = start(v, &sock);

	if (pid < 0)
		return 0;
	serve(v, sock);
	close(sock);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* One that ends of itself before it ever served has said why. */
void keeper_run(struct view *v)
{
	struct book *book = v->frames.book;
	time_t deaths[KEEPER_DEATHS];

	for (unsigned int n = 0; ; n++) {
		int status = live(v);

		if (atomic_load(&book->closed))
			_exit(0);
		if (!atomic_load(&book->served) && WIFEXITED(status))
			_exit(1);
		if (hopeless(deaths, n))
			give_up(v);
		atomic_fetch_add(&book->restarts, 1);
	}
}

static int ask(struct view *v, char op, const int *fds, int n)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { &op, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (n) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(*fds));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(*fds));
		memcpy(CMSG_DATA(c), fds, n * sizeof(*fds));
	}
	if (sendmsg(v->keeper, &msg, MSG_NOSIGNAL) < 0 || recv(v->keeper, &op, 1, 0) != 1)
		return -EPIPE;
	return 0;
}

int keeper_served(struct view *v)
{
	return ask(v, KEEPER_SERVED, NULL, 0);
}

int keeper_release(struct view *v)
{
	return ask(v, KEEPER_RELEASE, NULL, 0);
}

/* Without a keeper there will be no later worker. */
static int unless_dead(int r)
{
	return r == -EPIPE && errno == EPIPE ? 0 : r;
}

int keeper_inherit(struct view *v, int uffd, int peer)
{
	return unless_dead(ask(v, KEEPER_INHERIT, (int[]) { uffd, peer }, 2));
}

int keeper_lower(struct view *v, int fd)
{
	return unless_dead(ask(v, KEEPER_LOWER, &fd, 1));
}
