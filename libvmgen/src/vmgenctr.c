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
	return vmgen_device_open(DEVICE, "vmgenctr");
}

static int device_again(const struct source *s)
{
	int fd = vmgen_source_fd(s);

	return fd < 0 ? fd : vmgen_sys_dup(fd);
}

/*
 * A program that closes every descriptor gives the number to another file, and a guard
 * may be where only read() is allowed to find that out.  To read no bytes takes nothing
 * from anybody; files, pipes, terminals and sockets say 0 to it, this device EINVAL.
 */
static bool is_ours(int fd)
{
	return fd >= 0 && vmgen_sys_read(fd, NULL, 0) == -EINVAL;
}

static int device_read(struct source *s, struct vmgenctr_info *ret)
{
	int fd = __atomic_load_n(&s->fd, __ATOMIC_RELAXED);
	ssize_t n;

	if (!is_ours(fd))
		return -EBADF;
	n = vmgen_sys_read(fd, ret, sizeof(*ret));
	if (n < 0)
		return (int)n;
	return n == sizeof(*ret) ? 0 : -EBADMSG;
}

int vmgenctr_map(struct source *s, int fd)
{
	size_t size = vmgen_page_size();
	int r = vmgen_frame_generation(s, fd, VMGENCTR_GENERATION_PGOFF * (off_t)size);

	return r < 0 ? r : vmgen_frame_map(s->status, size, PROT_READ, fd,
					   VMGENCTR_STATUS_PGOFF * (off_t)size);
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
 * compares that; the pages have to do where the descriptor is lost.
 */
static int ask_pages(const struct source *s, struct reading *ret)
{
	struct page page;
	int r = vmgen_page_generation((const void *)s->generation, &page);
	bool hypervisor;

	if (r < 0)
		return r;
	if (!page.generation)
		return -ENODEV;
	hypervisor = page.flags & VMGENCTR_F_HYPERVISOR;
	if (!hypervisor && !ret->lost)
		return -EAGAIN;
	r = vmgen_page_status((const void *)s->status, page.generation, &ret->info);
	if (r == 0 && hypervisor)
		ret->info.flags |= VMGEN_INFO_HYPERVISOR;
	return r;
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

static int ask(struct source *s, struct reading *ret)
{
	int r = ask_pages(s, ret);

	if (r != -EAGAIN)
		return r;
	if (ret->lost)
		return -EBADF;
	r = ask_kernel(s, &ret->info);
	ret->lost = r == -EBADF;
	return ret->lost ? -EAGAIN : r;
}

int vmgenctr_sync(struct source *s, struct reading *ret)
{
	int i, r;

	for (i = 0; i < SYNC_TRIES; i++) {
		r = ask(s, ret);
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
	.again = device_again,
	.map = vmgenctr_map,
	.sync = vmgenctr_sync,
	.read = device_read,
	.watch = device_open,
	.seen = device_seen,
};
