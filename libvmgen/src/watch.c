/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Waiting for a change.  A watch has its own open file of the device, because the
 * kernel keeps for each what it has seen.  The user polls an epoll instance around
 * it, which stays the same when that file is replaced: registrations elsewhere follow
 * the open file and not its number.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "watch.h"

struct vmgen_watch {
	int epoll;			/* what the user polls */
	int fd;				/* the one file in it */
	const struct backend *ops;	/* whose device that is */
	bool lost;			/* it only tells when the device may be back */
	bool mute;			/* the device has ceased to tell anything */
	bool stale;			/* what is found next is a change, whatever it is */
	bool doomed;			/* freed by one of its callbacks */
	uint32_t owner;			/* the process that made it */
	struct vmgen_info seen;
	struct callbacks callbacks;
};

/* Any other process has the same open file, and would eat what it has to tell. */
static bool is_owner(const vmgen_watch *w)
{
	return w->owner == vmgen_process();
}

/* Replace the file.  A failure leaves the old one where it is. */
static int watch_attach(vmgen_watch *w, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	vmgen_source_disown(fd);
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	if (w->fd >= 0) {
		/* Closing it is not enough where a child has a copy. */
		epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->fd, NULL);
		vmgen_sys_close(w->fd);
	}
	w->fd = fd;
	return 0;
}

static int watch_open(vmgen_watch *w)
{
	const struct backend *ops;
	struct reading now;
	int fd, r;

	r = vmgen_source_sync(&now);
	/* Without a counter the kernel may still tell of a change. */
	if (r < 0 && r != -ENODATA)
		return r;
	ops = r < 0 ? &vmgen_backend_uevent : now.source->ops;
	fd = ops->watch ? ops->watch() : -EOPNOTSUPP;
	if (fd < 0)
		return fd;
	r = watch_attach(w, fd);
	if (r < 0) {
		vmgen_sys_close(fd);
		return r;
	}
	w->ops = ops;
	w->lost = false;
	return 0;
}

/* Readable when something turns up where devices are, or may be opened from now on. */
static int await_node(void)
{
	int fd = vmgen_sys_fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), r;

	if (fd < 0)
		return fd;
	if (inotify_add_watch(fd, "/dev", IN_CREATE | IN_MOVED_TO | IN_ATTRIB) >= 0)
		return fd;
	r = -errno;
	vmgen_sys_close(fd);
	return r;
}

/*
 * The device has gone, or had.  Look for it only after what tells that it is back has
 * been set up, so that nothing is missed, and replace the file that says so only when
 * there is an outcome, so that a failure does not make the watch fall silent.
 * 0: there is a device; -ENODEV: this is when it went; -EAGAIN: it is still away.
 */
static int watch_reopen(vmgen_watch *w)
{
	bool known = w->lost;
	int later, r;

	w->stale = true;
	if (vmgen_sealed())
		return -ENODEV;
	later = w->ops->await ? w->ops->await() : await_node();
	if (later < 0)
		return later;
	r = watch_open(w);
	if (vmgen_is_absent(r)) {
		r = watch_attach(w, later);
		if (r == 0) {
			w->lost = true;
			return known ? -EAGAIN : -ENODEV;
		}
	}
	vmgen_sys_close(later);
	return r;
}

/* For good, and not readable for ever: its user has to look for something else. */
static int watch_silence(vmgen_watch *w)
{
	w->mute = true;
	epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	return -EOPNOTSUPP;
}

static int watch_see(vmgen_watch *w, struct vmgen_info *ret)
{
	int r;

	if (w->mute)
		return -EOPNOTSUPP;
	r = w->lost ? -ENODEV : w->ops->seen(w->fd, ret);
	return r == -EOPNOTSUPP ? watch_silence(w) : r;
}

/* 1: a change, and *ret tells into what; 0: none */
static int watch_look(vmgen_watch *w, struct vmgen_info *ret)
{
	int r = watch_see(w, ret);

	if (r == -ENODEV) {
		r = watch_reopen(w);
		if (r < 0)
			return r == -EAGAIN ? 0 : r;
		r = watch_see(w, ret);
	}
	if (r < 0)
		return r;
	ret->backend = w->ops->id;
	ret->flags |= vmgen_source_current()->flags;
	return r || w->stale || ret->generation != w->seen.generation;
}

static void watch_deliver(vmgen_watch *w, const struct vmgen_info *now)
{
	w->seen = *now;
	w->stale = false;
	vmgen_callbacks_run(&w->callbacks, now);
	if (w->doomed)
		vmgen_watch_free(w);
}

int vmgen_watch_dispatch(vmgen_watch *w, struct vmgen_info *ret)
{
	struct vmgen_info now;
	int r;

	if (!is_owner(w))
		return -ECHILD;
	if (w->callbacks.running)
		return -EBUSY;
	memset(&now, 0, sizeof(now));
	r = watch_look(w, &now);
	if (r <= 0)
		return r;
	watch_deliver(w, &now);
	if (ret)
		*ret = now;
	return 1;
}

/* What is left until @end, or for ever. */
static struct timespec *time_left(const struct timespec *end, struct timespec *ret)
{
	if (!end)
		return NULL;
	clock_gettime(CLOCK_MONOTONIC, ret);
	ret->tv_sec = end->tv_sec - ret->tv_sec;
	ret->tv_nsec = end->tv_nsec - ret->tv_nsec;
	if (ret->tv_nsec < 0) {
		ret->tv_sec--;
		ret->tv_nsec += 1000000000;
	}
	if (ret->tv_sec < 0)
		ret->tv_sec = ret->tv_nsec = 0;
	return ret;
}

/*
 * Look before waiting: the kernel may not have been told yet.  Look once more when
 * the time is up, but not for ever at something that is always readable.
 */
static int watch_wait(vmgen_watch *w, const struct timespec *end, struct vmgen_info *ret)
{
	struct pollfd p = { .fd = w->epoll, .events = POLLIN };
	struct timespec space, *left;
	bool last = false;
	int r;

	do {
		r = vmgen_watch_dispatch(w, ret);
		if (r != 0 || last)
			return r;
		left = time_left(end, &space);
		last = left && !left->tv_sec && !left->tv_nsec;
		r = ppoll(&p, 1, left, NULL);
	} while (r > 0);
	return r < 0 ? -errno : 0;
}

int vmgen_watch_wait(vmgen_watch *w, int timeout_ms, struct vmgen_info *ret)
{
	struct timespec end;

	if (timeout_ms < 0)
		return watch_wait(w, NULL, ret);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += timeout_ms / 1000;
	end.tv_nsec += timeout_ms % 1000 * 1000000L;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	return watch_wait(w, &end, ret);
}

static int watch_start(vmgen_watch *w)
{
	int r;

	w->owner = vmgen_process();
	if (!w->owner)
		return -ENOMEM;
	w->epoll = vmgen_sys_fd(epoll_create1(EPOLL_CLOEXEC));
	if (w->epoll < 0)
		return w->epoll;
	r = watch_open(w);
	if (r < 0)
		return r;
	r = watch_look(w, &w->seen);
	return r < 0 ? r : 0;
}

int vmgen_watch_new(vmgen_watch **ret)
{
	vmgen_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->epoll = -1;
	w->fd = -1;
	r = watch_start(w);
	if (r < 0) {
		vmgen_watch_free(w);
		return r;
	}
	w->stale = false;
	*ret = w;
	return 0;
}

vmgen_watch *vmgen_watch_free(vmgen_watch *w)
{
	if (!w)
		return NULL;
	vmgen_callbacks_clear(&w->callbacks);
	w->doomed = w->callbacks.running;
	if (w->doomed)
		return NULL;
	if (w->epoll >= 0)
		vmgen_sys_close(w->epoll);
	if (w->fd >= 0)
		vmgen_sys_close(w->fd);
	free(w);
	return NULL;
}

int vmgen_watch_fd(const vmgen_watch *w)
{
	return w->epoll;
}

int vmgen_watch_add(vmgen_watch *w, int order, vmgen_watch_fn *fn, void *ctx)
{
	return is_owner(w) ? vmgen_callbacks_add(&w->callbacks, order, fn, ctx) : -ECHILD;
}

int vmgen_watch_remove(vmgen_watch *w, vmgen_watch_fn *fn, void *ctx)
{
	return is_owner(w) ? vmgen_callbacks_remove(&w->callbacks, fn, ctx) : -ECHILD;
}
