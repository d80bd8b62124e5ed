/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * /dev/vmgenctr.  The page tells that the generation has changed; read() makes
 * the kernel look for itself and returns when it is ready.
 */
#include <endian.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/vmgenctr.h>

#include "lib.h"

#define DEVICE		"/dev/vmgenctr"
/*
 * A read that disagrees with the page means that the generation has changed in
 * between.  That is a restore each time, so only a broken driver gets this far.
 */
#define SYNC_TRIES	64

static int device_open(void)
{
	return vmgen_sys_open(DEVICE);
}

static int device_read(struct source *s, struct vmgenctr_info *ret)
{
	int fd = vmgen_source_fd(s);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = vmgen_sys_read(fd, ret, sizeof(*ret));
	if (n < 0)
		return (int)n;
	return n == sizeof(*ret) ? 0 : -EBADMSG;
}

static int map_page(void *at, int fd, off_t pgoff)
{
	size_t size = vmgen_page_size();

	return vmgen_frame_map(at, size, PROT_READ, fd, pgoff * (off_t)size);
}

int vmgenctr_map(struct source *s, int fd)
{
	int r = map_page(s->generation, fd, VMGENCTR_GENERATION_PGOFF);

	return r < 0 ? r : map_page(s->status, fd, VMGENCTR_STATUS_PGOFF);
}

void vmgenctr_info(struct vmgen_info *ret, const struct vmgenctr_info *info)
{
	ret->generation = info->generation;
	ret->flags = 0;
	if (info->flags & VMGENCTR_INFO_F_HYPERVISOR)
		ret->flags |= VMGEN_INFO_HYPERVISOR;
	if (info->flags & VMGENCTR_INFO_F_CRNG_RESEEDED)
		ret->flags |= VMGEN_INFO_CRNG_RESEEDED;
	memcpy(ret->instance_id, info->instance_id, sizeof(ret->instance_id));
}

/*
 * In hypervisor mode the two pages together can tell, without a system call.  In
 * software mode the page lags behind the id that it stands for, and only read()
 * compares that.
 */
static int ask_pages(struct source *s, struct vmgen_info *ret)
{
	struct page page;
	int r = vmgen_page_generation((const void *)s->generation, &page);

	if (r < 0)
		return r;
	if (!page.generation)
		return -ENODEV;
	if (!(page.flags & VMGENCTR_F_HYPERVISOR))
		return -EAGAIN;
	r = vmgen_page_status((const void *)s->status, page.generation, ret);
	if (r < 0)
		return r;
	ret->flags |= VMGEN_INFO_HYPERVISOR;
	return 0;
}

/* 0, -EAGAIN: changed meanwhile, or an error that trying again does not mend */
static int ask_kernel(struct source *s, struct vmgen_info *ret)
{
	struct vmgenctr_info info;
	int r = s->ops->read(s, &info);

	if (r < 0)
		return r == -EINTR ? -EAGAIN : r;
	if (!info.generation)
		return -EBADMSG;
	if (htole64(info.generation) != vmgen_source_word(s))
		return -EAGAIN;
	vmgenctr_info(ret, &info);
	return 0;
}

int vmgenctr_sync(struct source *s, struct reading *ret)
{
	int i, r;

	for (i = 0; i < SYNC_TRIES; i++) {
		r = ask_pages(s, &ret->info);
		if (r == -EAGAIN)
			r = ask_kernel(s, &ret->info);
		if (r == -EAGAIN)
			continue;
		ret->word = htole64(ret->info.generation);
		/* The one value that a record cannot hold. */
		return r == 0 && ret->word == UINT64_MAX ? -EOVERFLOW : r;
	}
	return -EIO;
}

/* Only a read that succeeds makes poll() quiet. */
static int device_seen(int fd, struct vmgen_info *ret)
{
	struct vmgenctr_info info;
	ssize_t n;

	do
		n = vmgen_sys_read(fd, &info, sizeof(info));
	while (n == -EINTR);
	if (n < 0)
		return (int)n;
	if (n != sizeof(info) || !info.generation)
		return -EBADMSG;
	vmgenctr_info(ret, &info);
	return 0;
}

const struct backend vmgen_backend_vmgenctr = {
	.id = VMGEN_BACKEND_VMGENCTR,
	.reads = true,
	.word = offsetof(struct vmgenctr_generation_page, generation),
	.open = device_open,
	.map = vmgenctr_map,
	.sync = vmgenctr_sync,
	.read = device_read,
	.watch = device_open,
	.seen = device_seen,
};
