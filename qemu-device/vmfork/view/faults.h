/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The machine's write faults, by userfaultfd in write-protect mode.
 *
 * Armed ahead: faults_arm() protects all memory while the vCPUs run.  A fault then only
 * notes its frame and lets it go; the next pass protects the noted ones again, until few
 * are left or they do not get fewer.  faults_freeze() protects the rest while the machine
 * stands; from there on a fault is kept before it is let go.  So a frame is always
 * protected, noted or kept, whenever this process dies:
 *
 *	fault:  note, unprotect		pass:  protect, forget the note
 *
 * (each in that order, both under the lock).
 *
 * For the next view of the machine the frozen one arms ahead in the same way.  Only the
 * frames that it has kept are unprotected: they become noted ones, and a pass protects
 * them again.  A fault then keeps its frame first, for this view, and notes it for the
 * next.  faults_hand_over() protects the rest while the machine stands; from there on the
 * faults are the next server's, whose faults_freeze() gets the descriptors (inherit.h).
 * This server reads no messages any more, but has its copies until the rebase, so that
 * the next one can ask again if its worker dies in between.
 *
 * A lock makes it one thread at a time that reads messages and changes protection, so
 * that a frame is never copied after another thread has let it go.  The holder that has
 * long work (a pass) reads messages in between.
 *
 * A message that a worker read and did not answer dies with it.  faults_wake() has all
 * waiting threads of the machine try again, and they raise their faults again.
 *
 * When the machine goes: its memory does not change any more, and the view stays.  When
 * QEMU alone takes its memory back (ram-view-close), the view is lost: dropped.  The
 * ioctls tell the two apart (ESRCH, ENOENT), at the hang-up of the peer.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

struct view;

struct faults {
	pthread_mutex_t lock;
	int uffd, peer;			/* -1: let go */
	int kick;			/* eventfd: look at the descriptors again */
	int stop, stopped;		/* eventfds, to and from the monitor's thread */
	bool hung;			/* the peer hung up, why is not known yet */
	char *scratch;			/* of one frame */
	uint64_t held;			/* faults since the end of the room */
	int dropped;			/* eventfd, set for good: the kernel forgets */
};

struct faults_result {
	uint64_t frames, passes, us;
};

gboolean faults_setup(struct view *v, GError **error);
void *faults_thread(void *view);
void faults_wake(struct view *v);
/* Of the machine; the lock is held, or no thread runs yet. */
void faults_let_go(struct view *v);

/* Whatever the state is: the view is closed. */
void faults_abandon(struct view *v);

/* All of them: 0 or -errno. */
int faults_arm(struct view *v, struct faults_result *ret);
int faults_freeze(struct view *v, struct faults_result *ret);
int faults_hand_over(struct view *v, struct faults_result *ret);
int faults_rebase(struct view *v, int lower);
int faults_detach(struct view *v);

#endif /* FAULTS_H */
