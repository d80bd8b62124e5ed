/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include <gio/gio.h>

#include "inherit.h"
#include "keeper.h"
#include "point.h"
#include "private.h"
#include "view.h"

#define FAULTS_CHUNK (16u << 20)	/* protected at once: some 0.3 ms */
#define FAULTS_NOTES 256		/* runs protected before faults are looked at */
#define FAULTS_FEW 64			/* frames that are left for the pause */
#define FAULTS_PASSES 16
#define FAULTS_BATCH 64
#define FAULTS_TRIES 1000
#define FAULTS_RETRY 20			/* ms */

#define relaxed(p) atomic_load_explicit(p, memory_order_relaxed)

static uint64_t now_us(void)
{
	return g_get_monotonic_time();
}

gboolean faults_setup(struct view *v, GError **error)
{
	struct faults *fa = &v->faults;

	pthread_mutex_init(&fa->lock, NULL);
	fa->scratch = g_malloc(v->plan.layout.page);
	fa->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fa->stop = eventfd(0, EFD_CLOEXEC);
	fa->stopped = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	fa->dropped = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fa->kick >= 0 && fa->stop >= 0 && fa->stopped >= 0 && fa->dropped >= 0)
		return TRUE;
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "eventfd: %s",
		    g_strerror(errno));
	return FALSE;
}

/* EAGAIN: the machine's address space is changing; it is told to try again. */
static int protect(int uffd, uint64_t host, uint64_t size, uint64_t mode)
{
	struct uffdio_writeprotect wp = { { host, size }, mode };
	int r;

	do
		r = ioctl(uffd, UFFDIO_WRITEPROTECT, &wp);
	while (r < 0 && (errno == EAGAIN || errno == EINTR));
	return r < 0 ? -errno : 0;
}

static uint64_t host_of(const struct layout_block *b, uint64_t frame)
{
	return b->host + (frame - b->frame) * b->page;
}

static bool noted(const struct view *v, uint64_t frame)
{
	return v->frames.noted[frame / 64] >> (frame % 64) & 1;
}

static void note(struct view *v, uint64_t frame)
{
	v->frames.noted[frame / 64] |= UINT64_C(1) << (frame % 64);
}

static void forget(struct view *v, uint64_t frame)
{
	v->frames.noted[frame / 64] &= ~(UINT64_C(1) << (frame % 64));
}

static uint64_t count_noted(const struct view *v)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < (v->frames.count + 63) / 64; i++)
		sum += __builtin_popcountll(v->frames.noted[i]);
	return sum;
}

static void signal_event(int fd)
{
	uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

static void unregister(const struct view *v)
{
	const struct layout *l = &v->plan.layout;

	for (size_t i = 0; i < l->n_blocks; i++) {
		struct uffdio_range range = { l->blocks[i].host, l->blocks[i].size };

		ioctl(v->faults.uffd, UFFDIO_UNREGISTER, &range);
	}
}

/*
 * Each copy of the descriptors is closed: the keeper's, ours; QEMU closes its own when
 * the peer hangs up.  The unregistering is for the threads that wait now.
 */
void faults_let_go(struct view *v)
{
	struct faults *fa = &v->faults;

	atomic_store(&v->frames.book->live, 0);
	POINT("let-go");
	if (fa->uffd >= 0 && v->frames.book->next != BOOK_HANDED)
		unregister(v);
	keeper_release(v);
	if (fa->uffd >= 0)
		close(fa->uffd);
	if (fa->peer >= 0)
		close(fa->peer);
	fa->uffd = fa->peer = -1;
	fa->hung = false;
	signal_event(fa->kick);
}

/* Readers look at the state after they read, so that it comes before the first write. */
static void drop(struct view *v, const char *why)
{
	fprintf(stderr, "vmfork-view: the view is given up: %s\n", why);
	atomic_store_explicit(&v->frames.book->state, BOOK_DROPPED, memory_order_release);
	/* Pairs with the fence of ram_read(). */
	atomic_thread_fence(memory_order_seq_cst);
	faults_let_go(v);
	signal_event(v->faults.dropped);
}

/*
 * No room is left, or soon.  The machine is being stopped; its faults are answered, or it
 * could not stop, but more and more slowly, so that few come in the meantime: the spare
 * of a full buffer lasts for more than a minute.  Without a monitor there is nothing to
 * wait for.
 */
static void hold(struct view *v)
{
	struct pollfd p = { .fd = v->faults.stopped, .events = POLLIN };
	struct book *book = v->frames.book;
	uint64_t count;

	if (!v->monitor) {
		atomic_store(&book->full, 1);
		return;
	}
	if (atomic_exchange(&book->stopped, 0) || !atomic_exchange(&book->full, 1))
		signal_event(v->faults.stop);
	atomic_store(&book->waiting, 1);
	poll(&p, 1, MIN(1 + v->faults.held++ / 8, 100));
	atomic_store(&book->waiting, 0);
	if (read(v->faults.stopped, &count, sizeof(count)) == sizeof(count))
		v->faults.held = 0;
}

static int copy(struct view *v, const struct layout_block *b, uint64_t frame)
{
	int r = source_read(&v->source, BOOK_MEMORY, b, layout_offset(b, frame),
			    v->faults.scratch, b->page);

	return r < 0 ? r : frames_keep(&v->frames, frame, 1, v->faults.scratch, b->page);
}

/* False: the view is gone, and with it the need to answer. */
static bool keep(struct view *v, const struct layout_block *b, uint64_t frame)
{
	if (frames_slot(&v->frames, frame) != FRAMES_NONE)
		return true;
	if (copy(v, b, frame) < 0) {
		drop(v, "no room is left in the buffer, and the machine was not stopped");
		return false;
	}
	if (!frames_full(&v->frames))
		return true;
	if (v->drop) {
		drop(v, "no room is left in the buffer (--on-full drop)");
		return false;
	}
	hold(v);
	return true;
}

/* Armed ahead, for this view or for the next. */
static bool notes(const struct view *v)
{
	return view_state(v) < BOOK_FROZEN || v->frames.book->next == BOOK_AHEAD;
}

static bool answer(struct view *v, uint64_t address)
{
	const struct layout_block *b = layout_host(&v->plan.layout, address);
	uint64_t frame;

	if (!b)
		return true;
	frame = b->frame + (address - b->host) / b->page;
	atomic_fetch_add_explicit(&v->frames.book->faults, 1, memory_order_relaxed);
	if (view_state(v) == BOOK_FROZEN && !keep(v, b, frame))
		return false;
	if (notes(v))
		note(v, frame);
	POINT("fault-kept");
	protect(v->faults.uffd, host_of(b, frame), b->page, 0);
	POINT("fault-answered");
	return true;
}

/* All messages that are there, unless they are another's.  The lock is held. */
static void drain(struct view *v)
{
	struct uffd_msg msgs[FAULTS_BATCH];
	ssize_t n;

	while (atomic_load(&v->frames.book->live) && v->faults.uffd >= 0 &&
	       (n = read(v->faults.uffd, msgs, sizeof(msgs))) > 0) {
		POINT("fault-read");
		for (size_t i = 0; i < n / sizeof(*msgs); i++)
			if (msgs[i].event == UFFD_EVENT_PAGEFAULT &&
			    !answer(v, msgs[i].arg.pagefault.address))
				return;
	}
}

void faults_wake(struct view *v)
{
	const struct layout *l = &v->plan.layout;

	for (size_t i = 0; i < l->n_blocks && v->faults.uffd >= 0; i++) {
		struct uffdio_range range = { l->blocks[i].host, l->blocks[i].size };

		ioctl(v->faults.uffd, UFFDIO_WAKE, &range);
	}
}

/*
 * Is the machine's memory still ours?  Protect the first frame as it is already, and look
 * at the error.
 */
static int probe(struct view *v)
{
	const struct layout_block *b = &v->plan.layout.blocks[0];
	bool open = notes(v) ? noted(v, 0) || !v->frames.book->armed :
			       frames_slot(&v->frames, 0) != FRAMES_NONE;

	return protect(v->faults.uffd, b->host, b->page,
		       open ? 0 : UFFDIO_WRITEPROTECT_MODE_WP);
}

static void hung_up(struct view *v)
{
	int r = probe(v);

	v->faults.hung = true;
	if (r == -ESRCH && view_state(v) == BOOK_FROZEN)
		faults_let_go(v);
	else if (r == -ESRCH)
		drop(v, "the machine ended before it was frozen");
	else if (r < 0)
		drop(v, "QEMU took its memory back (ram-view-close)");
}

static void look(struct view *v, const struct pollfd *p)
{
	uint64_t count;

	(void)!read(v->faults.kick, &count, sizeof(count));
	pthread_mutex_lock(&v->faults.lock);
	drain(v);
	if (atomic_load(&v->frames.book->live) && v->faults.uffd >= 0 &&
	    (v->faults.hung || p[1].revents & (POLLHUP | POLLERR)))
		hung_up(v);
	pthread_mutex_unlock(&v->faults.lock);
}

static bool descriptors(struct view *v, struct pollfd *p)
{
	struct faults *fa = &v->faults;
	bool hung;

	pthread_mutex_lock(&fa->lock);
	hung = fa->hung;
	p[0] = (struct pollfd) { .fd = fa->uffd, .events = POLLIN };
	p[1] = (struct pollfd) { .fd = hung ? -1 : fa->peer };
	p[2] = (struct pollfd) { .fd = fa->kick, .events = POLLIN };
	pthread_mutex_unlock(&fa->lock);
	return hung;
}

/* A hang-up whose reason is not known yet is looked at again: the machine is ending. */
void *faults_thread(void *view)
{
	struct view *v = view;

	while (atomic_load(&v->frames.book->live)) {
		struct pollfd p[3];
		bool hung = descriptors(v, p);

		poll(p, 3, hung ? FAULTS_RETRY : -1);
		look(v, p);
	}
	return NULL;
}

static int protect_block(struct view *v, const struct layout_block *b)
{
	uint64_t chunk = MAX(FAULTS_CHUNK, b->page);

	for (uint64_t at = 0; at < b->size; at += chunk) {
		int r = protect(v->faults.uffd, b->host + at, MIN(chunk, b->size - at),
				UFFDIO_WRITEPROTECT_MODE_WP);

		if (r < 0)
			return r;
		POINT("arm-chunk");
		drain(v);
	}
	return 0;
}

static int protect_all(struct view *v)
{
	int r = 0;

	for (size_t i = 0; i < v->plan.layout.n_blocks && r == 0; i++)
		r = protect_block(v, &v->plan.layout.blocks[i]);
	if (r == 0)
		v->frames.book->armed = 1;
	return r;
}

/* The first noted frame in [from, end), or @end. */
static uint64_t next_noted(const struct view *v, uint64_t from, uint64_t end)
{
	while (from < end) {
		uint64_t word = v->frames.noted[from / 64] >> (from % 64);

		if (word)
			return MIN(from + __builtin_ctzll(word), end);
		from = (from | 63) + 1;
	}
	return end;
}

static int protect_run(struct view *v, const struct layout_block *b, uint64_t from,
		       uint64_t to)
{
	int r = protect(v->faults.uffd, host_of(b, from), (to - from) * b->page,
			UFFDIO_WRITEPROTECT_MODE_WP);

	POINT("pass-protected");
	for (uint64_t frame = from; frame < to && r == 0; frame++)
		forget(v, frame);
	return r;
}

static int protect_noted(struct view *v, const struct layout_block *b)
{
	uint64_t end = b->frame + b->size / b->page, to;
	unsigned int runs = 0;
	int r = 0;

	for (uint64_t from = next_noted(v, b->frame, end); from < end && r == 0;
	     from = next_noted(v, to, end)) {
		for (to = from + 1; to < end && noted(v, to); to++)
			;
		r = protect_run(v, b, from, to);
		if (++runs % FAULTS_NOTES == 0)
			drain(v);
	}
	return r;
}

static int pass(struct view *v)
{
	int r = 0;

	if (!v->frames.book->armed)
		return protect_all(v);
	for (size_t i = 0; i < v->plan.layout.n_blocks && r == 0; i++)
		r = protect_noted(v, &v->plan.layout.blocks[i]);
	return r;
}

static int passes(struct view *v, struct faults_result *ret)
{
	uint64_t before = UINT64_MAX;

	ret->frames = v->frames.count;
	while (ret->passes < FAULTS_PASSES && ret->frames > FAULTS_FEW &&
	       ret->frames < before) {
		int r = pass(v);

		if (r < 0)
			return r;
		drain(v);
		before = ret->passes++ ? ret->frames : UINT64_MAX;
		ret->frames = count_noted(v);
	}
	return 0;
}

/* The kept frames may be unprotected, the others are not. */
static void begin_next(struct view *v)
{
	if (v->frames.book->next != BOOK_ALONE)
		return;
	for (uint64_t i = 0; i < v->frames.count; i++)
		if (frames_slot(&v->frames, i) != FRAMES_NONE)
			note(v, i);
	POINT("next-noted");
	atomic_store(&v->frames.book->next, BOOK_AHEAD);
}

static int arm(struct view *v, struct faults_result *ret)
{
	if (view_state(v) == BOOK_DROPPED)
		return -EIO;
	if (view_state(v) == BOOK_FROZEN && !atomic_load(&v->frames.book->live))
		return -EALREADY;
	if (v->faults.uffd < 0)
		return 0;
	if (view_state(v) == BOOK_FROZEN)
		begin_next(v);
	else
		atomic_store(&v->frames.book->state, BOOK_ARMING);
	return passes(v, ret);
}

int faults_arm(struct view *v, struct faults_result *ret)
{
	uint64_t start = now_us();
	int r;

	pthread_mutex_lock(&v->faults.lock);
	r = arm(v, ret);
	pthread_mutex_unlock(&v->faults.lock);
	ret->us = now_us() - start;
	return r;
}

/* A machine that stands writes no more, so that the notes come to an end. */
static int protect_rest(struct view *v, struct faults_result *ret)
{
	for (unsigned int i = 0; i < FAULTS_TRIES; i++) {
		uint64_t left;
		int r;

		drain(v);
		if (v->faults.uffd < 0)
			return -EPIPE;
		left = count_noted(v);
		if (left == 0 && v->frames.book->armed)
			return 0;
		ret->frames += v->frames.book->armed ? left : v->frames.count;
		r = pass(v);
		if (r < 0)
			return r;
	}
	return -EBUSY;
}

static int adopt(struct view *v, int uffd, int peer)
{
	struct book *book = v->frames.book;
	pthread_t thread;

	POINT("next-asked");
	if (keeper_inherit(v, uffd, peer) < 0) {
		close(uffd);
		close(peer);
		return -EPIPE;
	}
	POINT("next-inherited");
	v->faults.uffd = uffd;
	v->faults.peer = peer;
	book->armed = 1;
	atomic_store(&book->live, 1);
	POINT("next-live");
	if (pthread_create(&thread, NULL, faults_thread, v)) {
		faults_let_go(v);
		return -ENOMEM;
	}
	pthread_detach(thread);
	return 0;
}

/* A worker that died at this left it to be done again: worker.c. */
static int inherit(struct view *v, struct faults_result *ret)
{
	int fds[2], r;

	r = inherit_ask(v->plan.inherits, fds, &ret->frames);
	return r < 0 ? r : adopt(v, fds[0], fds[1]);
}

static int freeze(struct view *v, struct faults_result *ret)
{
	struct book *book = v->frames.book;
	int r = 0;

	if (view_state(v) == BOOK_DROPPED)
		return -EIO;
	if (view_state(v) == BOOK_FROZEN)
		return 0;
	if (v->plan.process)
		r = private_keep(v, &ret->frames);
	else if (v->plan.inherits)
		r = inherit(v, ret);
	else if (v->faults.uffd >= 0)
		r = protect_rest(v, ret);
	if (r < 0)
		return r;
	book->blocks = source_blocks(&v->source) + relaxed(&book->units) * 8;
	POINT("freeze-protected");
	atomic_store_explicit(&book->state, BOOK_FROZEN, memory_order_release);
	POINT("frozen");
	return 0;
}

int faults_freeze(struct view *v, struct faults_result *ret)
{
	uint64_t start = now_us();
	int r;

	pthread_mutex_lock(&v->faults.lock);
	r = freeze(v, ret);
	pthread_mutex_unlock(&v->faults.lock);
	ret->us = now_us() - start;
	return r;
}

static int hand_over(struct view *v, struct faults_result *ret)
{
	struct book *book = v->frames.book;
	int r;

	if (view_state(v) != BOOK_FROZEN)
		return view_state(v) == BOOK_DROPPED ? -EIO : -EAGAIN;
	if (v->faults.uffd < 0 || v->faults.peer < 0)
		return -EPIPE;
	if (book->next == BOOK_HANDED)
		return 0;
	begin_next(v);
	r = protect_rest(v, ret);
	if (r < 0)
		return r;
	POINT("next-protected");
	atomic_store(&book->next, BOOK_HANDED);
	POINT("next-handed");
	/* Our thread reads no message more: it looks under the lock, and ends then. */
	atomic_store(&book->live, 0);
	return 0;
}

int faults_hand_over(struct view *v, struct faults_result *ret)
{
	uint64_t start = now_us();
	int r;

	pthread_mutex_lock(&v->faults.lock);
	r = hand_over(v, ret);
	pthread_mutex_unlock(&v->faults.lock);
	ret->us = now_us() - start;
	return r;
}

/* Readers look at the source after they read, so that it comes before the first write. */
static int rebase(struct view *v, int lower)
{
	if (view_state(v) != BOOK_FROZEN)
		return view_state(v) == BOOK_DROPPED ? -EIO : -EAGAIN;
	if (keeper_lower(v, lower) < 0)
		return -EPIPE;
	POINT("rebase-kept");
	source_set_lower(&v->source, lower);
	atomic_store_explicit(&v->frames.book->source, BOOK_LOWER, memory_order_release);
	/* Pairs with the fence of ram_read(). */
	atomic_thread_fence(memory_order_seq_cst);
	POINT("rebased");
	faults_let_go(v);
	return 0;
}

int faults_rebase(struct view *v, int lower)
{
	int r;

	pthread_mutex_lock(&v->faults.lock);
	r = rebase(v, lower);
	pthread_mutex_unlock(&v->faults.lock);
	return r;
}

int faults_detach(struct view *v)
{
	int r = 0;

	pthread_mutex_lock(&v->faults.lock);
	if (view_state(v) == BOOK_DROPPED)
		r = -EIO;
	else if (view_state(v) != BOOK_FROZEN)
		r = -EAGAIN;
	else if (v->faults.uffd >= 0 || v->faults.peer >= 0)
		faults_let_go(v);
	pthread_mutex_unlock(&v->faults.lock);
	return r;
}

void faults_abandon(struct view *v)
{
	pthread_mutex_lock(&v->faults.lock);
	if (v->faults.uffd >= 0 || v->faults.peer >= 0)
		faults_let_go(v);
	pthread_mutex_unlock(&v->faults.lock);
}
