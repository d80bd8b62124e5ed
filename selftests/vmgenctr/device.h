/* SPDX-License-Identifier: GPL-2.0 */
/* The device under test: /dev/vmgenctr, its two pages and its read(). */
#ifndef _VMGENCTR_TEST_DEVICE_H
#define _VMGENCTR_TEST_DEVICE_H

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vmgenctr.h>

#define VMGENCTR_DEVICE	"/dev/vmgenctr"

static inline long page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static inline int device_open(void)
{
	return open(VMGENCTR_DEVICE, O_RDONLY | O_CLOEXEC);
}

/* Maps one window; MAP_FAILED on error, as mmap(). */
static inline void *device_map(int fd, unsigned int pgoff)
{
	return mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd,
		    pgoff * page_size());
}

static inline int device_read(int fd, struct vmgenctr_info *info)
{
	ssize_t n = read(fd, info, sizeof(*info));

	if (n < 0)
		return -errno;
	return n == sizeof(*info) ? 0 : -EIO;
}

static inline __u64
page_generation(const struct vmgenctr_generation_page *page)
{
	return le64toh(__atomic_load_n(&page->generation, __ATOMIC_ACQUIRE));
}

/* Who counts. */
static inline bool info_by_hypervisor(const struct vmgenctr_info *info)
{
	return info->flags & VMGENCTR_INFO_F_HYPERVISOR;
}

/* Whose page it is: where pages are large, it may be a copy. */
static inline bool
page_by_hypervisor(const struct vmgenctr_generation_page *page)
{
	return le64toh(__atomic_load_n(&page->flags, __ATOMIC_RELAXED)) &
	       VMGENCTR_F_HYPERVISOR;
}

static inline __u64
page_ready_generation(const struct vmgenctr_status_page *page)
{
	return __atomic_load_n(&page->ready_generation, __ATOMIC_ACQUIRE);
}

#define DEVICE_MAP_OR_FAIL(fd, pgoff) ({				\
	void *_page = device_map(fd, pgoff);				\
									\
	ASSERT_NE(MAP_FAILED, _page) TH_LOG("mmap: %s", strerror(errno)); \
	_page;								\
})

#endif /* _VMGENCTR_TEST_DEVICE_H */
