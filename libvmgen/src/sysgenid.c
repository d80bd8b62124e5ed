/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * /dev/sysgenid, a driver that some vendors' kernels carry: a page that is zero but
 * for a 32-bit number in the processor's byte order at its start, which the driver
 * raises when it hears of a restore or is told to by a privileged process.
 *
 * From "drivers/misc: sysgenid: add system generation id driver", version 7 of 2021:
 * mmap() of one page, shared and read only; the number starts at 0; read() waits for
 * a number that write() has not acknowledged, so it is of no use to a check.  A mapping
 * keeps the module in the kernel: a counter that is mapped cannot vanish.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

#define DEVICE		"/dev/sysgenid"

/* What the eight bytes look like to somebody who loads them at once. */
union word {
	uint64_t whole;
	uint32_t half[2];	/* the number, and 0 */
};

static int device_open(void)
{
	return vmgen_device_open(DEVICE, "sysgenid");
}

int vmgen_sysgenid_map(struct source *s, int fd)
{
	return vmgen_frame_generation(s, fd, 0);
}

/* 0, or -EBADMSG: there is something behind the number that has no meaning */
int vmgen_sysgenid_word(uint64_t word, struct page *ret)
{
	union word w = { .whole = word };

	if (w.half[1])
		return -EBADMSG;
	ret->generation = w.half[0];
	ret->flags = 0;
	return 0;
}

/*
 * Guards compare the eight bytes as they are.  Any other number is a change, also the
 * 0 that comes after the largest; it takes 2^32 restores between two looks to miss one.
 */
int vmgen_sysgenid_sync(struct source *s, struct reading *ret)
{
	uint64_t word = vmgen_source_word(s);
	struct page page;
	int r = vmgen_sysgenid_word(word, &page);

	if (r < 0)
		return r;
	ret->info.generation = page.generation;
	ret->word = word;
	return 0;
}

/* To write is to acknowledge. */
static int device_watch(void)
{
	return vmgen_sys_fd(open(DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK));
}

/*
 * What is acknowledged has to be current, else the driver says EINVAL and the file
 * stays readable: it has changed again.
 */
static int device_seen(int fd, struct vmgen_info *ret)
{
	struct reading now;
	uint32_t number;
	int r;

	do {
		r = vmgen_source_sync(&now);
		if (r < 0)
			return r;
		if (now.source->ops != &vmgen_backend_sysgenid)
			return -ENODEV;
		number = (uint32_t)now.info.generation;
	} while (write(fd, &number, sizeof(number)) < 0 && errno == EINTR);
	ret->generation = number;
	return 0;
}

const struct backend vmgen_backend_sysgenid = {
	.id = VMGEN_BACKEND_SYSGENID,
	.word = 0,
	.open = device_open,
	.map = vmgen_sysgenid_map,
	.sync = vmgen_sysgenid_sync,
	.watch = device_watch,
	.seen = device_seen,
};
