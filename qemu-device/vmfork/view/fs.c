/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "fs.h"
#include "node.h"
#include "point.h"
#include "view.h"

#define FS_READ (1u << 20)		/* the largest read */
#define FS_FOREVER 1e9			/* seconds */
#define FS_OWN (UINT64_C(1) << 62)	/* the number of no request of the kernel */
#define FS_RESENT (UINT64_C(1) << 63)	/* in the number of one sent again */

/* What a thread has of its own. */
static _Thread_local char *buffer;
static _Thread_local const struct fuse_in_header *request;

static struct view *view_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* A file that was dropped says nothing any more; state and meta.json may grow. */
static double timeout(const struct view *v, const struct node *n)
{
	return n && n->frozen && view_state(v) == BOOK_FROZEN ? FS_FOREVER : 0;
}

static int stat_of(struct view *v, uint64_t ino, struct stat *st)
{
	const struct node *n = node_at(ino);

	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_uid = geteuid();
	st->st_gid = getegid();
	st->st_nlink = 1;
	st->st_mtim = v->started;
	st->st_mode = ino == NODE_ROOT ? S_IFDIR | 0500 : S_IFREG | 0400;
	if (ino == NODE_ROOT)
		return 0;
	return n ? n->stat(v, n, st) : -ENOENT;
}

static void fs_init(void *user, struct fuse_conn_info *conn)
{
	(void)user;
	conn->max_write = FS_READ;	/* and so the largest read */
	conn->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
}

static void fs_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct view *v = view_of(req);
	struct fuse_entry_param e = { .generation = 1 };
	int r;

	e.ino = parent == NODE_ROOT ? node_find(name) : 0;
	r = e.ino ? stat_of(v, e.ino, &e.attr) : -ENOENT;
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	e.attr_timeout = e.entry_timeout = timeout(v, node_at(e.ino));
	fuse_reply_entry(req, &e);
}

static void fs_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct view *v = view_of(req);
	struct stat st;
	int r = stat_of(v, ino, &st);

	(void)fi;
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &st, timeout(v, node_at(ino)));
}

/* The handle that a worker before gave this request already; else a free one. */
static int take_handle(struct book *book, uint64_t unique, uint32_t node)
{
	int free = -1;

	for (int i = 0; i < BOOK_HANDLES; i++) {
		uint64_t held = atomic_load(&book->handles[i].unique);

		if (held == unique)
			return i;
		if (held == 0 && free < 0)
			free = i;
	}
	if (free < 0)
		return -ENFILE;
	atomic_store(&book->handles[free].node, node);
	atomic_store(&book->handles[free].unique, unique);
	return free;
}

static void fs_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct view *v = view_of(req);
	const struct node *n = node_at(ino);
	int r;

	if (!n || (fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, n ? EROFS : EISDIR);
		return;
	}
	pthread_mutex_lock(&lock);
	r = take_handle(v->frames.book, request->unique & ~FS_RESENT, ino);
	pthread_mutex_unlock(&lock);
	POINT("opened");
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	fi->fh = r;
	fi->keep_cache = n->frozen;
	fuse_reply_open(req, fi);
}

static void fs_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (fi->fh < BOOK_HANDLES)
		atomic_store(&view_of(req)->frames.book->handles[fi->fh].unique, 0);
	fuse_reply_err(req, 0);
}

static void fs_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t at,
		    struct fuse_file_info *fi)
{
	struct view *v = view_of(req);
	const struct node *n = node_at(ino);
	int64_t got;

	(void)fi;
	got = n ? n->read(v, n, at, buffer, MIN(size, FS_READ)) : -EISDIR;
	atomic_fetch_add_explicit(&v->frames.book->reads, 1, memory_order_relaxed);
	if (got < 0)
		fuse_reply_err(req, -got);
	else
		fuse_reply_buf(req, buffer, got);
}

static void fs_lseek(fuse_req_t req, fuse_ino_t ino, off_t at, int whence,
		     struct fuse_file_info *fi)
{
	struct view *v = view_of(req);
	const struct node *n = node_at(ino);
	int64_t found;

	(void)fi;
	if (!n || !n->seek) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	found = at < 0 ? -ENXIO : n->seek(v, n, at, whence);
	if (found < 0)
		fuse_reply_err(req, -found);
	else
		fuse_reply_lseek(req, found);
}

static size_t add_entry(fuse_req_t req, char *buf, size_t size, uint64_t ino)
{
	const struct node *n = node_at(ino);
	struct stat st = { .st_ino = ino, .st_mode = S_IFREG };

	if (!node_there(view_of(req), n))
		return 0;
	return fuse_add_direntry(req, buf, size, n->name, &st, ino + 1);
}

/* The offset of an entry is the number of the next one. */
static void fs_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	size_t used = 0, one;

	(void)fi;
	if (ino != NODE_ROOT) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	size = MIN(size, FS_READ);
	for (uint64_t i = MAX(off, NODE_FIRST); node_at(i); i++) {
		one = add_entry(req, buffer + used, size - used, i);
		if (one > size - used)
			break;
		used += one;
	}
	fuse_reply_buf(req, buffer, used);
}

static const struct fuse_lowlevel_ops operations = {
	.init = fs_init,
	.lookup = fs_lookup,
	.getattr = fs_getattr,
	.open = fs_open,
	.release = fs_release,
	.read = fs_read,
	.lseek = fs_lseek,
	.readdir = fs_readdir,
};

struct fuse_session *fs_session(struct view *v)
{
	char name[] = "vmfork-view", flag[] = "-o";
	char options[] = "ro,fsname=vmfork,subtype=vmfork";
	char *argv[] = { name, flag, options };
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);
	struct fuse_session *se;

	se = fuse_session_new(&args, &operations, sizeof(operations), v);
	fuse_opt_free_args(&args);
	return se;
}

unsigned int fs_users(const struct view *v, bool frozen)
{
	unsigned int users = 0;

	for (int i = 0; i < BOOK_HANDLES; i++) {
		struct book_handle *h = &v->frames.book->handles[i];
		const struct node *n;

		if (!atomic_load(&h->unique))
			continue;
		n = node_at(atomic_load(&h->node));
		users += n && (n->frozen || !frozen);
	}
	return users;
}

/*
 * After a drop the kernel forgets what it has of the frozen files.  It waits for reads
 * that are being answered, so that this is a thread of its own.
 */
static void *forget(void *view)
{
	struct view *v = view;
	struct pollfd p = { .fd = v->faults.dropped, .events = POLLIN };

	while (poll(&p, 1, -1) < 0)
		;
	for (uint64_t i = NODE_FIRST; node_at(i); i++)
		if (node_at(i)->frozen)
			fuse_lowlevel_notify_inval_inode(v->session, i, 0, 0);
	return NULL;
}

/* A request that is empty: its length is the first that it has. */
static bool pending(const struct view *v, unsigned int i)
{
	return ((struct fuse_in_header *)frames_request(&v->frames, i))->len != 0;
}

static void process(struct view *v, char *mem)
{
	struct fuse_buf buf = { .mem = mem };

	request = (struct fuse_in_header *)mem;
	buf.size = request->len;
	fuse_session_process_buf(v->session, &buf);
}

static void answer(struct view *v, unsigned int i)
{
	char *mem = frames_request(&v->frames, i);

	POINT("request-read");
	process(v, mem);
	POINT("request-answered");
	((struct fuse_in_header *)mem)->len = 0;
}

/* False: the mount is gone. */
static bool receive(struct view *v, unsigned int i)
{
	ssize_t n;

	do
		n = read(v->fuse, frames_request(&v->frames, i), FRAMES_REQUEST);
	while (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT));
	return n > 0;
}

struct fs_thread {
	struct view *view;
	unsigned int i;
};

static void *serve(void *argument)
{
	struct fs_thread *t = argument;
	uint64_t one = 1;

	buffer = g_malloc(FS_READ);
	if (pending(t->view, t->i))
		answer(t->view, t->i);
	while (receive(t->view, t->i))
		answer(t->view, t->i);
	(void)!write(t->view->gone, &one, sizeof(one));
	return NULL;
}

/* The kernel's first request, whose answer it waits for before it sends another. */
static bool meet(struct view *v, unsigned int i)
{
	struct fuse_in_header *in = (void *)frames_request(&v->frames, i);
	struct book *book = v->frames.book;

	if (in->opcode != FUSE_INIT || in->len > sizeof(book->init))
		return false;
	memcpy(book->init, in, in->len);
	book->init_size = in->len;
	answer(v, i);
	return true;
}

/* For libfuse alone: the kernel refuses the answer, as it has one. */
static bool meet_again(struct view *v)
{
	char copy[sizeof(v->frames.book->init)];

	memcpy(copy, v->frames.book->init, sizeof(copy));
	((struct fuse_in_header *)copy)->unique = FS_OWN;
	process(v, copy);
	return true;
}

static bool introduce(struct view *v)
{
	for (unsigned int i = 0; i < BOOK_THREADS; i++) {
		struct fuse_in_header *in = (void *)frames_request(&v->frames, i);

		if (in->len && in->opcode == FUSE_INIT)
			return meet(v, i);
	}
	if (v->frames.book->init_size)
		return meet_again(v);
	return receive(v, 0) && meet(v, 0);
}

static bool spawn(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, run, argument) == 0 &&
	       pthread_detach(thread) == 0;
}

bool fs_start(struct view *v)
{
	static struct fs_thread threads[BOOK_THREADS];
	char path[32];

	snprintf(path, sizeof(path), "/dev/fd/%d", v->fuse);
	v->session = fs_session(v);
	if (!v->session || fuse_session_mount(v->session, path) < 0 || !introduce(v))
		return false;
	for (unsigned int i = 0; i < BOOK_THREADS; i++) {
		threads[i] = (struct fs_thread) { v, i };
		if (!spawn(serve, &threads[i]))
			return false;
	}
	return spawn(forget, v);
}
