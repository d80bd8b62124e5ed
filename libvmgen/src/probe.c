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

static int file_identify(int fd, struct file *ret)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	ret->rdev = st.st_rdev;
	return 0;
}

static int source_map(struct source *s, int fd)
{
	int r = file_identify(fd, &s->device);

	if (r == 0)
		r = s->ops->map(s, fd);
	return r < 0 ? r : file_identify(fd, &s->file);
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
		r = source_map(s, fd);
	if (r < 0)
		goto err;
	s->fd = fd;
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

/* The device of @s in a frame of its own, if it is still open. */
int vmgen_probe_again(const struct source *s, struct source **ret)
{
	return source_from(s->ops, s->ops->again ? s->ops->again(s) : -EBADF, ret);
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

/* Why there is no counter, which was @error: the kernel may tell of changes all the same. */
int vmgen_probe_absence(int error)
{
	if (!__atomic_load_n(&forced, __ATOMIC_ACQUIRE) && vmgen_uevent_announced())
		return -ENODATA;
	return error;
}
