/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * One armed poll tells every change, and is armed again whenever the kernel has ended
 * it without having been asked to.
 */
#include <vmgen-uring.h>

#include "watch.h"

static int token, nop;

static void ring_new(struct io_uring *ring, unsigned int entries)
{
	int r = io_uring_queue_init(entries, ring, 0);

	if (r == -ENOSYS || r == -EPERM)
		skip("io_uring is not allowed here");
	CHECK(r == 0);
}

static vmgen_watch *armed(struct io_uring *ring)
{
	vmgen_watch *w = watch();

	CHECK(vmgen_uring_arm(ring, w, &token) == 0);
	CHECK(io_uring_submit(ring) == 1);
	return w;
}

/*
 * What the next completion of the watch amounts to, and whether the poll goes on.  It
 * does not wait: what this thread has caused is complete when its system call returns.
 */
static int next(struct io_uring *ring, vmgen_watch *w, struct vmgen_info *now, bool *more)
{
	struct io_uring_cqe *cqe;
	int r;

	for (;;) {
		CHECK(io_uring_submit(ring) >= 0);
		CHECK(io_uring_peek_cqe(ring, &cqe) == 0);
		if (io_uring_cqe_get_data(cqe) == &token)
			break;
		io_uring_cqe_seen(ring, cqe);
	}
	if (more)
		*more = cqe->flags & IORING_CQE_F_MORE;
	r = vmgen_uring_complete(ring, w, cqe, now);
	io_uring_cqe_seen(ring, cqe);
	return r;
}

static void queue_nop(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	CHECK(sqe);
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data(sqe, &nop);
}

/* Nothing of the watch completes before what is submitted only now. */
static void is_silent(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	queue_nop(ring);
	CHECK(io_uring_submit_and_wait(ring, 1) >= 0);
	CHECK(io_uring_peek_cqe(ring, &cqe) == 0);
	CHECK(io_uring_cqe_get_data(cqe) == &nop);
	io_uring_cqe_seen(ring, cqe);
}

static void every_change(int fd)
{
	struct vmgen_info now;
	struct io_uring ring;
	vmgen_watch *w;
	bool more;
	int i;

	ring_new(&ring, 8);
	w = armed(&ring);
	is_silent(&ring);
	for (i = 2; i < 12; i++) {
		CHECK(vmgen_test_bump(fd) == 0);
		CHECK(next(&ring, w, &now, &more) == 1);
		CHECK(more && now.generation == (uint64_t)i);
		CHECK(!readable(w));
		is_silent(&ring);
	}
	/* Nothing has changed, but the device has something to say. */
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(next(&ring, w, &now, NULL) == 0);
	io_uring_queue_exit(&ring);
	vmgen_watch_free(w);
}

/* Here alone a wake-up that is lost would be waited for in vain. */
static void by_another_process(int fd)
{
	struct vmgen_info now = { .generation = 0 };
	struct io_uring ring;
	vmgen_watch *w;
	pid_t pid;
	int i;

	ring_new(&ring, 8);
	w = armed(&ring);
	pid = fork();
	if (pid == 0) {
		for (i = 0; i < 1000; i++)
			CHECK(vmgen_test_bump(fd) == 0);
		CHECK(vmgen_test_set(fd, 5000) == 0);
		_exit(0);
	}
	while (now.generation != 5000) {
		CHECK(io_uring_submit_and_wait(&ring, 1) >= 0);
		CHECK(next(&ring, w, &now, NULL) >= 0);
	}
	reap(pid);
	io_uring_queue_exit(&ring);
	vmgen_watch_free(w);
}

/* Before it is armed, and while the queue is full of something else. */
static void change_before_arm(int fd)
{
	struct io_uring ring;
	vmgen_watch *w = watch();

	ring_new(&ring, 1);
	CHECK(vmgen_test_bump(fd) == 0);
	queue_nop(&ring);
	CHECK(!io_uring_get_sqe(&ring));
	CHECK(vmgen_uring_arm(&ring, w, &token) == 0);
	CHECK(next(&ring, w, NULL, NULL) == 1);
	io_uring_queue_exit(&ring);
	vmgen_watch_free(w);
}

/* Where there is no room for a completion, the kernel gives up on a multishot poll. */
static bool overflow(int fd)
{
	struct io_uring ring;
	vmgen_watch *w;
	bool more, ended = false;
	int i, changes = 0;

	ring_new(&ring, 1);
	w = armed(&ring);
	for (i = 0; i < 8; i++) {
		queue_nop(&ring);
		CHECK(io_uring_submit(&ring) == 1);
	}
	CHECK(vmgen_test_bump(fd) == 0);
	do {
		changes += next(&ring, w, NULL, &more);
		ended |= !more;
	} while (!changes);
	for (i = 0; i < 3; i++) {
		CHECK(vmgen_test_bump(fd) == 0);
		while (next(&ring, w, NULL, NULL) != 1)
			;
	}
	io_uring_queue_exit(&ring);
	vmgen_watch_free(w);
	return ended;
}

/* Whoever cancels it does not want it back. */
static void cancelled(int fd)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	vmgen_watch *w;

	ring_new(&ring, 8);
	w = armed(&ring);
	sqe = io_uring_get_sqe(&ring);
	CHECK(sqe);
	io_uring_prep_cancel(sqe, &token, 0);
	io_uring_sqe_set_data(sqe, &nop);
	CHECK(next(&ring, w, NULL, NULL) == -ECANCELED);
	for (unsigned int n = io_uring_cq_ready(&ring); n; n--)
		io_uring_cq_advance(&ring, 1);
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(readable(w));
	is_silent(&ring);
	/* It can be armed anew, and the change is not lost. */
	CHECK(vmgen_uring_arm(&ring, w, &token) == 0);
	CHECK(next(&ring, w, NULL, NULL) == 1);
	io_uring_queue_exit(&ring);
	vmgen_watch_free(w);
}

static void device_goes(int fd)
{
	struct io_uring ring;
	vmgen_watch *w;
	int i;

	ring_new(&ring, 8);
	w = armed(&ring);
	for (i = 0; i < 5; i++) {
		CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
		CHECK(next(&ring, w, NULL, NULL) == -ENODEV);
		is_silent(&ring);
		CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
		CHECK(next(&ring, w, NULL, NULL) == 1);
		is_silent(&ring);
	}
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(next(&ring, w, NULL, NULL) == 1);
	io_uring_queue_exit(&ring);
	vmgen_watch_free(w);
}

int main(void)
{
	int fd = watchable_counter(0);

	every_change(fd);
	by_another_process(fd);
	change_before_arm(fd);
	if (!overflow(fd))
		printf("this kernel keeps a poll whose completion overflows\n");
	cancelled(fd);
	device_goes(fd);
	return 0;
}
