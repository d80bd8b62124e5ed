/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A daemon has closed every descriptor, and its watch gets the number that was the
 * library's, and a file of the same device.  It is the watch's alone: whoever else reads
 * from it eats what it has to tell.
 */
#include <sys/epoll.h>

#include <linux/vmgenctr.h>

#include "device-files.h"

#define HIGH	100

static int watched = -1;

/* Plain files cannot be polled.  Which one is, is all that matters here. */
int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	(void)epoll;
	(void)event;
	if (op == EPOLL_CTL_ADD)
		watched = fd;
	return 0;
}

static int make_device(void)
{
	struct vmgenctr_generation_page page = {
		.magic = VMGENCTR_GENERATION_MAGIC, .size = sizeof(page),
		.version = VMGENCTR_VERSION, .flags = VMGENCTR_F_HYPERVISOR,
		.generation = 5,
	};
	off_t size = sysconf(_SC_PAGESIZE);
	int fd = device_file("/dev/vmgenctr", 2 * size, &page, sizeof(page));
	struct vmgenctr_status_page status = {
		.magic = VMGENCTR_STATUS_MAGIC, .size = sizeof(status),
		.version = VMGENCTR_VERSION, .flags = VMGENCTR_STATUS_F_CRNG_RESEEDED,
		.ready_generation = 5,
	};

	CHECK(pwrite(fd, &status, sizeof(status), size) == sizeof(status));
	return dup2(fd, HIGH);
}

static void close_all(void)
{
	int i;

	for (i = 3; i < HIGH; i++)
		close(i);
}

/* The kernel is not ready for it, so that the library has to read. */
static void restore_machine(int device)
{
	struct vmgenctr_generation_page page;

	CHECK(pread(device, &page, sizeof(page), 0) == sizeof(page));
	page.generation++;
	CHECK(pwrite(device, &page, sizeof(page), 0) == sizeof(page));
}

int main(void)
{
	int device, number = 4;
	vmgen_watch *w;
	off_t at;

	own_dev();
	device = make_device();
	close_all();
	/* A watch has its epoll instance before the file in it. */
	CHECK(open("/", O_RDONLY | O_CLOEXEC) == number - 1);
	CHECK(vmgen_open() == 0);
	CHECK(fcntl(number, F_GETFD) >= 0);
	close_all();
	CHECK(vmgen_watch_new(&w) == 0);
	CHECK(watched == number);
	at = lseek(watched, 0, SEEK_CUR);
	CHECK(at > 0);
	restore_machine(device);
	CHECK(vmgen_sync(NULL) < 0);
	CHECK(lseek(watched, 0, SEEK_CUR) == at);
	vmgen_watch_free(w);
	return 0;
}
