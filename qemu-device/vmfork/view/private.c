/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "private.h"
#include "view.h"

#define PRIVATE_RUN 256			/* frames copied at once */

/* Of /proc/PID/pagemap. */
#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_SWAPPED (UINT64_C(1) << 62)
#define PAGE_OF_FILE (UINT64_C(1) << 61)

struct private {
	struct view *view;
	pid_t pid;
	int pagemap;
	uint64_t kept;
	char *buf;
};

/* A page that is not the file's any more is the process's own copy. */
static bool own(uint64_t entry)
{
	return entry & PAGE_SWAPPED || (entry & PAGE_PRESENT && !(entry & PAGE_OF_FILE));
}

static int keep_run(struct private *p, uint64_t host, uint64_t offset, size_t n)
{
	struct iovec to = { p->buf, n * LAYOUT_UNIT };
	struct iovec from = { (void *)(uintptr_t)host, n * LAYOUT_UNIT };
	ssize_t got = process_vm_readv(p->pid, &to, 1, &from, 1, 0);

	if (got != (ssize_t)to.iov_len)
		return got < 0 ? -errno : -EFAULT;
	p->kept += n;
	return frames_keep(&p->view->frames, offset / LAYOUT_UNIT, n, p->buf,
			   LAYOUT_UNIT);
}

/* The process's own pages among @n from @host on. */
static int keep_own(struct private *p, const uint64_t *entries, size_t n, uint64_t host,
		    uint64_t offset)
{
	int r = 0;

	for (size_t from = 0, to; from < n && r == 0; from = to) {
		to = from + 1;
		if (!own(entries[from]))
			continue;
		while (to < n && own(entries[to]))
			to++;
		r = keep_run(p, host + from * LAYOUT_UNIT, offset + from * LAYOUT_UNIT,
			     to - from);
	}
	return r;
}

static int keep_map(struct private *p, const struct plan_map *m)
{
	uint64_t entries[PRIVATE_RUN], at;
	size_t n;
	int r;

	for (at = 0; at < m->size; at += n * LAYOUT_UNIT) {
		n = MIN(PRIVATE_RUN, (m->size - at) / LAYOUT_UNIT);
		if (pread(p->pagemap, entries, n * sizeof(*entries),
			  (m->host + at) / LAYOUT_UNIT * sizeof(*entries)) !=
		    (ssize_t)(n * sizeof(*entries)))
			return -ESRCH;
		r = keep_own(p, entries, n, m->host + at, m->offset + at);
		if (r < 0)
			return r;
	}
	return 0;
}

static int keep_maps(struct private *p)
{
	const struct plan *plan = &p->view->plan;
	int r = 0;

	for (size_t i = 0; i < plan->n_maps && r == 0; i++)
		r = keep_map(p, &plan->maps[i]);
	if (r == 0 && frames_over(&p->view->frames))
		r = -ENOSPC;
	return r;
}

/* As long as it is alive its number is no other process's. */
static bool alive(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static int keep_process(struct private *p)
{
	int pidfd = syscall(SYS_pidfd_open, p->pid, 0);
	char path[64];
	int r;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", p->pid);
	p->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (pidfd < 0 || p->pagemap < 0)
		r = errno == ENOENT ? -ESRCH : -errno;
	else
		r = keep_maps(p);
	if (r == 0 && !alive(pidfd))
		r = -ESRCH;
	if (pidfd >= 0)
		close(pidfd);
	if (p->pagemap >= 0)
		close(p->pagemap);
	return r;
}

int private_keep(struct view *v, uint64_t *ret)
{
	struct private p = {
		.view = v,
		.pid = v->plan.process,
		.buf = g_malloc(PRIVATE_RUN * LAYOUT_UNIT),
	};
	int r;

	/* What an attempt before this one has kept may have changed since. */
	frames_reset(&v->frames);
	r = keep_process(&p);
	if (r == 0)
		*ret = p.kept;
	g_free(p.buf);
	return r;
}
