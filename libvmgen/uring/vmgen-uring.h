/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Waiting for a restore with io_uring.
 *
 *	vmgen_uring_arm(&ring, watch, &token);
 *	...
 *	io_uring_submit_and_wait(&ring, 1);
 *	... a completion whose data is &token:
 *	vmgen_uring_complete(&ring, watch, cqe, &now);
 *
 * See vmgen_uring_arm(3) and vmgen_watch_new(3).
 */
#ifndef VMGEN_URING_H
#define VMGEN_URING_H

#include <liburing.h>
#include <vmgen.h>

#ifdef __cplusplus
extern "C" {
#endif

VMGEN_API int vmgen_uring_arm(struct io_uring *ring, vmgen_watch *watch, void *user_data);
VMGEN_API int vmgen_uring_complete(struct io_uring *ring, vmgen_watch *watch,
				   const struct io_uring_cqe *cqe, struct vmgen_info *ret);

#ifdef __cplusplus
}
#endif

#endif /* VMGEN_URING_H */
