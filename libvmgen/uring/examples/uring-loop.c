/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The same as epoll-loop.c of libvmgen, with io_uring: a loop that is told when its
 * machine was restored.  Ends at SIGTERM.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

#include <vmgen-uring.h>

/* Their addresses tell completions apart. */
static int restore, end;

static void restored(struct io_uring *ring, vmgen_watch *watch, struct io_uring_cqe *cqe)
{
	struct vmgen_info now;
	int r = vmgen_uring_complete(ring, watch, cqe, &now);

	if (r > 0)
		printf("generation %" PRIu64 "\n", now.generation);
	else if (r == -ENODEV)
		puts("the counter has gone");
	else if (r < 0)
		printf("error: %s\n", strerror(-r));
	fflush(stdout);
}

static int terminated(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int arm(struct io_uring *ring, vmgen_watch *watch)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	io_uring_prep_poll_add(sqe, terminated(), POLLIN);
	io_uring_sqe_set_data(sqe, &end);
	return vmgen_uring_arm(ring, watch, &restore);
}

int main(void)
{
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	vmgen_watch *watch;
	void *what = NULL;
	int r;

	r = vmgen_watch_new(&watch);
	if (r == 0)
		r = io_uring_queue_init(8, &ring, 0);
	if (r == 0)
		r = arm(&ring, watch);
	if (r < 0) {
		fprintf(stderr, "cannot wait for a restore: %s\n", strerror(-r));
		return 1;
	}
	puts("watching");
	fflush(stdout);
	while (what != &end) {
		/* Submits what was armed anew, too. */
		r = io_uring_submit_and_wait(&ring, 1);
		if (r < 0 && r != -EINTR)
			return 1;
		if (io_uring_peek_cqe(&ring, &cqe) < 0)
			continue;
		what = io_uring_cqe_get_data(cqe);
		if (what == &restore)
			restored(&ring, watch, cqe);
		io_uring_cqe_seen(&ring, cqe);
	}
	io_uring_queue_exit(&ring);
	vmgen_watch_free(watch);
	return 0;
}
