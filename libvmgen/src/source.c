/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The one source that this process uses: found when it is first needed, published
 * with a compare-and-swap, replaced when its device has gone.  Whoever loses the
 * race, be it a thread or the code that a signal handler interrupted, throws its
 * own away and takes the winner's.
 *
 * A guard takes the source that is there, because its process may be in a sandbox that
 * kills by now.  Only vmgen_open() and its like look for devices again.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "lib.h"

/* A device that comes and goes between two calls is followed this often. */
#define RENEW_TRIES	4

static struct source *current;

struct source *vmgen_source_current(void)
{
	return __atomic_load_n(&current, __ATOMIC_SEQ_CST);
}

/*
 * Programs that become daemons close every descriptor, and the next open() gets
 * the number.  To read() from that would steal somebody's data.
 */
int vmgen_source_fd(const struct source *s)
{
	int fd = __atomic_load_n(&s->fd, __ATOMIC_RELAXED);
	struct stat st;

	if (fd >= 0 && vmgen_sealed())
		return fd;
	if (fd < 0 || fstat(fd, &st) < 0)
		return -EBADF;
	if (st.st_dev != s->file.dev || st.st_ino != s->file.ino ||
	    st.st_rdev != s->file.rdev)
		return -EBADF;
	return fd;
}

/* Opened from the same file: the generations of both can be compared. */
bool vmgen_source_alike(const struct source *a, const struct source *b)
{
	const struct file *x = &a->device, *y = &b->device;

	return a == b || (a->ops == b->ops && x->dev == y->dev && x->ino == y->ino &&
			  x->rdev == y->rdev);
}

static void source_close(struct source *s)
{
	int fd = vmgen_source_fd(s);

	__atomic_store_n(&s->fd, -1, __ATOMIC_RELAXED);
	if (fd >= 0)
		vmgen_sys_close(fd);
}

/* Whoever else thought that the number was his has lost it: open() returned it. */
static void source_disown(struct source *s, int fd)
{
	if (s && __atomic_load_n(&s->fd, __ATOMIC_RELAXED) == fd)
		__atomic_store_n(&s->fd, -1, __ATOMIC_RELAXED);
}

/* Of a file that is somebody's own, and may be of the same device. */
void vmgen_source_disown(int fd)
{
	struct source *s = vmgen_source_current();

	source_disown(s, fd);
	if (s)
		source_disown(s->prev, fd);
}

static void source_discard(struct source *s)
{
	source_close(s);
	vmgen_frame_free(s);
}

/*
 * Another thread may be about to read from the descriptor of the source that is
 * replaced here, so that one is closed only when its successor is replaced in turn.
 */
static bool source_publish(struct source *old, struct source *new)
{
	/* Once published, it may be replaced, and closed, before we are done here. */
	int fd = new->fd;

	/* Mapped now: guards ask for it where they may not map anything. */
	(void)vmgen_process();
	new->prev = old;
	if (!__atomic_compare_exchange_n(&current, &old, new, false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		source_discard(new);
		return false;
	}
	if (!old)
		return true;
	vmgen_record_retire(old);
	source_disown(old, fd);
	source_disown(old->prev, fd);
	if (old->prev)
		source_close(old->prev);
	return true;
}

static bool is_blind(const struct source *s)
{
	return !s || s->ops->blind;
}

/* What there is, or what stands in for it where there is nothing. */
static int source_find(struct source **ret)
{
	int r = vmgen_probe(ret);

	return vmgen_is_absent(r) ? vmgen_none_new(vmgen_probe_absence(r), ret) : r;
}

/* Replace @s, but never a counter by none: its guards could not tell any more. */
int vmgen_source_renew(struct source *s)
{
	struct source *new;
	int r = is_blind(s) ? source_find(&new) : vmgen_probe(&new);

	if (r == 0)
		source_publish(s, new);
	return r;
}

/*
 * All records of @s are used.  From what is open there is a way on, also for a process
 * that could not open it any more.
 */
int vmgen_source_refill(struct source *s)
{
	struct source *new;

	if (vmgen_sealed())
		return -ENOSPC;
	if (vmgen_probe_again(s, &new) < 0)
		return vmgen_source_renew(s);
	source_publish(s, new);
	return 0;
}

/* The same for a guard.  Where there is no counter, it takes some memory and no file. */
int vmgen_source_extend(struct source *s)
{
	struct source *new;

	if (vmgen_sealed() || !s->ops->blind ||
	    vmgen_none_new(__atomic_load_n(&s->error, __ATOMIC_RELAXED), &new) < 0)
		return -ENOSPC;
	source_publish(s, new);
	return 0;
}

/* Devices may come late: without a counter, look again. */
static int source_reprobe(struct source *none)
{
	struct source *new;
	int r = vmgen_probe(&new);

	if (r == 0)
		source_publish(none, new);
	if (!vmgen_is_absent(r))
		return r;
	__atomic_store_n(&none->error, vmgen_probe_absence(r), __ATOMIC_RELAXED);
	return 0;
}

static int source_look(void)
{
	struct source *s = vmgen_source_current();

	if (!s)
		return vmgen_source_renew(NULL);
	return s->ops->blind && !vmgen_sealed() ? source_reprobe(s) : 0;
}

/*
 * The page is no counter, so that its live word says nothing: guards must not go by it
 * any more.  A driver that has gone is another matter: the hypervisor's page stays, and
 * goes on telling the truth.
 */
static bool is_void(const struct source *s, int error)
{
	return error == -EBADMSG || (error == -ENODEV && !s->ops->reads && !s->ops->blind);
}

static int source_ask(struct reading *ret)
{
	struct source *s = vmgen_source_current();
	int r = s->ops->sync(s, ret);

	ret->source = s;
	if (is_void(s, r))
		vmgen_record_retire(s);
	ret->info.flags |= s->flags;
	ret->info.backend = s->ops->blind && r == -ENODATA ? VMGEN_BACKEND_UEVENT :
			    s->ops->id;
	return r;
}

/*
 * What is the generation, and is the kernel ready for it?  For guards: once there is a
 * source, no system call is made but read() from its descriptor.  When not even one that
 * stands for "none" is there, ret->source is NULL.
 */
int vmgen_source_check(struct reading *ret)
{
	int r = 0;

	*ret = (struct reading){ .source = NULL };
	if (!vmgen_source_current())
		r = vmgen_source_renew(NULL);
	return r < 0 ? r : source_ask(ret);
}

/* Its device or its descriptor is.  Without a counter, an error tells what is missing. */
static bool is_gone(const struct reading *now, int error)
{
	return now->lost || (error == -ENODEV && !now->source->ops->blind);
}

/* The same for calls that look for devices, and at who their process is. */
int vmgen_source_sync(struct reading *ret)
{
	int i, r = 0;

	vmgen_fork_check();
	for (i = 0; i < RENEW_TRIES; i++) {
		*ret = (struct reading){ .source = NULL };
		r = source_look();
		if (r < 0)
			return r;
		r = source_ask(ret);
		if (vmgen_sealed() || !is_gone(ret, r))
			return r;
		r = vmgen_source_renew(ret->source);
		if (r < 0)
			return r;
	}
	return -EIO;
}

/* Probe nothing but @ops from now on, or the real devices again if it is NULL. */
int vmgen_source_force(const struct backend *ops)
{
	const struct backend *before = vmgen_probe_force(ops);
	struct source *old, *new;
	int r;

	do {
		old = vmgen_source_current();
		r = source_find(&new);
		if (r < 0) {
			vmgen_probe_force(before);
			return r;
		}
	} while (!source_publish(old, new));
	return 0;
}
