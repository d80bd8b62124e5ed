/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* One multishot poll of a watch, for as long as the kernel keeps it and then anew. */
#include <errno.h>
#include <poll.h>

#include "vmgen-uring.h"

/* A full queue is submitted, which makes room unless a kernel thread is to do that. */
static int get_sqe(struct io_uring *ring, struct io_uring_sqe **ret)
{
	int r;

	*ret = io_uring_get_sqe(ring);
	if (*ret)
		return 0;
	r = io_uring_submit(ring);
	if (r < 0)
		return r;
	*ret = io_uring_get_sqe(ring);
	return *ret ? 0 : -EAGAIN;
}

int vmgen_uring_arm(struct io_uring *ring, vmgen_watch *watch, void *user_data)
{
	struct io_uring_sqe *sqe;
	int r = get_sqe(ring, &sqe);

	if (r < 0)
		return r;
	io_uring_prep_poll_multishot(sqe, vmgen_watch_fd(watch), POLLIN);
	io_uring_sqe_set_data(sqe, user_data);
	return 0;
}

/*
 * A poll that ended is armed before the watch is dispatched: a failure to do so leaves
 * the watch readable, and what comes after the dispatch finds the poll armed.
 */
int vmgen_uring_complete(struct io_uring *ring, vmgen_watch *watch,
			 const struct io_uring_cqe *cqe, struct vmgen_info *ret)
{
	int r;

	if (cqe->res < 0)
		return cqe->res;
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		r = vmgen_uring_arm(ring, watch, io_uring_cqe_get_data(cqe));
		if (r < 0)
			return r;
	}
	return vmgen_watch_dispatch(watch, ret);
}
