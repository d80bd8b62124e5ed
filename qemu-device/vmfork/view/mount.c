/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <gio/gio.h>

#include "fs.h"
#include "mount.h"

int mount_create(const char *path, GError **error)
{
	struct fuse_session *se = fs_session(NULL);

	if (access("/dev/fuse", R_OK | W_OK) < 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
			    "/dev/fuse: %s; load the module fuse, or give access",
			    g_strerror(errno));
		return -1;
	}
	if (!se || fuse_session_mount(se, path) < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: cannot mount; "
			    "without root that needs fusermount3 (package fuse3)", path);
		return -1;
	}
	/* The session lives on in its descriptor alone. */
	return fuse_session_fd(se);
}

static int by_helper(const char *path, bool force)
{
	const char *argv[] = {
		"fusermount3", "-u", force ? "-qz" : "-q", "--", path, NULL
	};
	int status;

	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
			  NULL, NULL, &status, NULL))
		return -EPERM;
	return status == 0 ? 0 : -EBUSY;
}

int mount_remove(const char *path, bool force)
{
	if (umount2(path, UMOUNT_NOFOLLOW | (force ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno != EPERM)
		return errno == EINVAL || errno == ENOENT ? 0 : -errno;
	return by_helper(path, force);
}
