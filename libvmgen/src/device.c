/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Is what lies at a path the device that is meant?  A plain file there is no counter: it
 * says what somebody has written into it, and an access behind its end is a SIGBUS.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib.h"

/* "MAJOR:MINOR", as sysfs names devices. */
#define SYSFS		"/sys/dev/char/%u:%u/uevent"
#define FIELD		"DEVNAME="

/* Is one of the lines of @text "DEVNAME=name"? */
static bool has_name(const char *text, const char *name)
{
	size_t field = sizeof(FIELD) - 1, length = strlen(name);

	for (; text; text = strchr(text, '\n')) {
		text += *text == '\n';
		if (!strncmp(text, FIELD, field) && !strncmp(text + field, name, length) &&
		    (text[field + length] == '\n' || !text[field + length]))
			return true;
	}
	return false;
}

/* What the kernel calls it.  Without sysfs, nobody could be asked. */
static bool kernel_agrees(dev_t device, const char *name)
{
	char path[64], text[512];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), SYSFS, major(device), minor(device));
	fd = vmgen_sys_open(path);
	if (fd < 0)
		return true;
	n = vmgen_sys_read(fd, text, sizeof(text) - 1);
	vmgen_sys_close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n <= 0 || has_name(text, name);
}

static int device_check(const struct stat *st, const char *name)
{
	return S_ISCHR(st->st_mode) && kernel_agrees(st->st_rdev, name) ? 0 : -ENODEV;
}

/* -EACCES only for what is known to be the device, whoever said no. */
static int device_denied(const char *path, const char *name, int error)
{
	struct stat st;

	return stat(path, &st) < 0 || device_check(&st, name) < 0 ? -ENODEV : error;
}

/* A descriptor for @path, which is the device that the kernel calls @name; else -ENODEV. */
int vmgen_device_open(const char *path, const char *name)
{
	int fd = vmgen_sys_open(path), r;
	struct stat st;

	if (fd == -EACCES || fd == -EPERM)
		return device_denied(path, name, fd);
	if (fd < 0)
		return fd;
	r = fstat(fd, &st) < 0 ? -errno : device_check(&st, name);
	if (r == 0)
		return fd;
	vmgen_sys_close(fd);
	return r;
}
