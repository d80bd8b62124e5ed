/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Which counter a process uses: the best of those that it can open and map.  Nothing
 * but trying tells that.
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "lib.h"

/* In the order of preference. */
static const struct backend *const counters[] = {
	&vmgen_backend_vmgenctr,
	&vmgen_backend_vmclock,
	&vmgen_backend_sysgenid,
};

static const struct backend *forced;

static int source_identify(struct source *s, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	s->fd = fd;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->rdev = st.st_rdev;
	return 0;
}

/* Where the mapping tells it all, there is no descriptor that could be lost. */
static void source_opened(struct source *s)
{
	if (s->ops->reads)
		return;
	vmgen_sys_close(s->fd);
	s->fd = -1;
}

/* @fd is the source's, or closed. */
static int source_from(const struct backend *ops, int fd, struct source **ret)
{
	struct source *s = NULL;
	int r;

	if (fd < 0)
		return fd;
	r = vmgen_frame_new(ops, &s);
	if (r == 0)
		r = source_identify(s, fd);
	if (r == 0)
		r = ops->map(s, fd);
	if (r < 0)
		goto err;
	source_opened(s);
	*ret = s;
	return 0;
err:
	vmgen_frame_free(s);
	vmgen_sys_close(fd);
	return r;
}

static int source_new(const struct backend *ops, struct source **ret)
{
	return source_from(ops, ops->open(), ret);
}

/*
 * The file of @s in a frame of its own, if it is still open.  What tells of uevents is
 * shared with relatives who read them, together with the frame.
 */
int vmgen_probe_again(const struct source *s, struct source **ret)
{
	int fd = s->ops->blind ? -EBADF : vmgen_source_fd(s);

	return source_from(s->ops, fd < 0 ? fd : vmgen_sys_dup(fd), ret);
}

/* There is no counter for this process, as opposed to: we could not find out. */
bool vmgen_is_absent(int error)
{
	return error == -ENOENT || error == -ENXIO || error == -ENODEV ||
	       error == -EACCES || error == -EPERM;
}

/*
 * How much a failure says: that it is open whether there is a counter, that there is
 * one that others may use, that there is something else, or nothing at all.
 */
static int weight(int error)
{
	if (!vmgen_is_absent(error))
		return 3;
	if (error == -EACCES || error == -EPERM)
		return 2;
	return error == -ENOENT ? 0 : 1;
}

/* The first of @n that works; whatever is wrong with a better one is then no matter. */
int vmgen_probe_list(const struct backend *const *list, size_t n, struct source **ret)
{
	int error = -ENOENT, r;
	size_t i;

	for (i = 0; i < n; i++) {
		r = source_new(list[i], ret);
		if (r == 0)
			return 0;
		if (weight(r) > weight(error))
			error = r;
	}
	return error;
}

int vmgen_probe(struct source **ret)
{
	const struct backend *only = __atomic_load_n(&forced, __ATOMIC_ACQUIRE);

	if (only)
		return source_new(only, ret);
	return vmgen_probe_list(counters, sizeof(counters) / sizeof(counters[0]), ret);
}

/* Probe nothing but @ops from now on; returns what that was before. */
const struct backend *vmgen_probe_force(const struct backend *ops)
{
	return __atomic_exchange_n(&forced, ops, __ATOMIC_ACQ_REL);
}

static int none_sync(struct source *s, struct reading *ret)
{
	ret->word = 0;
	return __atomic_load_n(&s->error, __ATOMIC_RELAXED);
}

/* A page that never changes, and records that fork() wipes. */
const struct backend vmgen_backend_none = {
	.id = VMGEN_BACKEND_NONE,
	.blind = true,
	.sync = none_sync,
};

/* @error is why there is no counter. */
int vmgen_probe_uevent(int error, struct source **ret)
{
	int r;

	if (__atomic_load_n(&forced, __ATOMIC_ACQUIRE))
		return -ENOENT;
	r = source_new(&vmgen_backend_uevent, ret);
	if (r == 0)
		(*ret)->error = error;
	return r;
}

/* What stands in for a counter. */
int vmgen_probe_blind(int error, struct source **ret)
{
	int r;

	if (vmgen_probe_uevent(error, ret) == 0)
		return 0;
	r = vmgen_frame_new(&vmgen_backend_none, ret);
	if (r < 0)
		return r;
	(*ret)->fd = -1;
	(*ret)->error = error;
	return 0;
}
