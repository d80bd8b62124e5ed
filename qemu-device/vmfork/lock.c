/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include "cancel.h"
#include "lock.h"
#include "vmfork.h"

#define LOCK_INTERVAL 10000

/* A waiting flock() could not be cancelled: a thread waits for the signals. */
static gboolean lock_wait(int fd, const char *what, gint64 patience, GError **error)
{
	gint64 end = g_get_monotonic_time() + patience;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return vmfork_fail_errno(error, "cannot lock %s", what);
		if (g_get_monotonic_time() > end)
			return vmfork_fail(error, VMFORK_REFUSED, "another vmfork is at "
					   "work on %s: wait until it is done", what);
		if (!cancel_sleep(LOCK_INTERVAL, error))
			return FALSE;
	}
	return TRUE;
}

int lock_take(const char *path, const char *what, gint64 patience, GError **error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		vmfork_fail_errno(error, "%s", path);
		return -1;
	}
	if (lock_wait(fd, what, patience, error))
		return fd;
	close(fd);
	return -1;
}

gboolean lock_is_held(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	gboolean held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;

	if (fd >= 0)
		close(fd);
	return held;
}
