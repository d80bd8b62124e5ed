/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A /dev of this process alone, whose devices are plain files that the library takes for
 * devices: for what depends on which file a number stands for, or on a page that no test
 * counter shows.
 */
#ifndef DEVICE_FILES_H
#define DEVICE_FILES_H

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "test.h"

static bool files_are_files;

int fstat(int fd, struct stat *st)
{
	int r = fstatat(fd, "", st, AT_EMPTY_PATH);

	if (r == 0 && S_ISREG(st->st_mode) && !files_are_files)
		st->st_mode ^= S_IFREG ^ S_IFCHR;
	return r;
}

static inline void own_dev(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		skip("no namespace of mounts for this user");
	CHECK(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("none", "/dev", "tmpfs", 0, NULL) == 0);
}

/* One that has @size bytes, and @page at the start. */
static inline int device_file(const char *path, off_t size, const void *page, size_t n)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	CHECK(fd >= 0 && ftruncate(fd, size) == 0);
	CHECK(pwrite(fd, page, n, 0) == (ssize_t)n);
	return fd;
}

#endif /* DEVICE_FILES_H */
