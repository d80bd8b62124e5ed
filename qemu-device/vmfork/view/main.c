/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork-view: serve one view.  The keeper and the worker are its children. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gio/gio.h>

#include "keeper.h"
#include "mount.h"
#include "point.h"
#include "view.h"

static const char usage[] =
"Usage: vmfork-view --dir SNAPDIR --view FILE.json [--budget BYTES]\n"
"                   [--on-full stop|drop] [--monitor SOCKET]\n"
"\n"
"Serve the view that FILE.json describes: mount it at SNAPDIR/view, take requests at\n"
"SNAPDIR/control, keep frames in SNAPDIR/buffer.  Returns when both are there.\n"
"vmfork starts it; the protocol is in view/control.h and Documentation/vmfork.md.\n"
"\n"
"  --budget BYTES   at most that much in the buffer; none: as the disk has room\n"
"  --on-full stop   then stop the machine by its monitor (the default)\n"
"  --on-full drop   then give the view up\n"
"  --monitor SOCKET a QMP socket of the machine, for --on-full stop\n";

struct arguments {
	const char *dir, *view, *monitor;
	uint64_t budget;
	bool drop;
};

static void die(int status, const char *format, ...) G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN;

static void die(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("vmfork-view: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(status);
}

static bool on_full(const char *text)
{
	if (strcmp(text, "stop") != 0 && strcmp(text, "drop") != 0)
		die(2, "--on-full is stop or drop");
	return strcmp(text, "drop") == 0;
}

static uint64_t bytes(const char *text)
{
	guint64 n = 0;

	if (!g_ascii_string_to_unsigned(text, 10, LAYOUT_UNIT, INT64_MAX, &n, NULL))
		die(2, "--budget is a number of bytes from %u", LAYOUT_UNIT);
	return n;
}

static void parse(struct arguments *a, int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "view", required_argument, NULL, 'v' },
		{ "budget", required_argument, NULL, 'b' },
		{ "on-full", required_argument, NULL, 'f' },
		{ "monitor", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'd': a->dir = optarg; break;
		case 'v': a->view = optarg; break;
		case 'b': a->budget = bytes(optarg); break;
		case 'f': a->drop = on_full(optarg); break;
		case 'm': a->monitor = optarg; break;
		case 'h': fputs(usage, stdout); exit(0);
		default: die(2, "see vmfork-view --help");
		}
	}
	if (!a->dir || !a->view || optind != argc)
		die(2, "--dir and --view are needed, and nothing else; see --help");
}

static void name(struct view *v, const struct arguments *a)
{
	v->dir = realpath(a->dir, NULL);
	if (!v->dir)
		die(1, "%s: %s", a->dir, g_strerror(errno));
	v->mount = g_build_filename(v->dir, "view", NULL);
	v->socket = g_build_filename(v->dir, "control", NULL);
	v->monitor = g_strdup(a->monitor);
	v->drop = a->drop;
}

static void open_log(struct view *v)
{
	g_autofree char *path = g_build_filename(v->dir, "log", NULL);

	v->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (v->log < 0)
		die(1, "%s: %s", path, g_strerror(errno));
	v->gone = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	clock_gettime(CLOCK_REALTIME, &v->started);
}

static void listen_at(struct view *v)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(v->socket) >= sizeof(address.sun_path))
		die(1, "%s: the path of a socket has at most %zu bytes; use a "
		    "shorter folder", v->socket, sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, v->socket);
	v->listen = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (v->listen < 0 ||
	    bind(v->listen, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(v->listen, 16) < 0)
		die(1, "%s: %s; is another server there?", v->socket, g_strerror(errno));
}

/* Last of all: it alone must be taken back if what follows fails. */
static void mount_at(struct view *v)
{
	g_autoptr(GError) error = NULL;

	if (mkdir(v->mount, 0700) < 0 && errno != EEXIST)
		die(1, "%s: %s", v->mount, g_strerror(errno));
	v->fuse = mount_create(v->mount, &error);
	if (v->fuse >= 0)
		return;
	unlink(v->socket);
	die(1, "%s", error->message);
}

static void set_up(struct view *v, const struct arguments *a)
{
	g_autofree char *buffer = g_build_filename(v->dir, "buffer", NULL);
	g_autoptr(GError) error = NULL;
	struct book *book;

	if (!plan_load(&v->plan, a->view, &error) ||
	    !frames_create(&v->frames, &v->plan.layout, buffer, a->budget, &error) ||
	    !faults_setup(v, &error))
		die(1, "%s", error->message);
	book = v->frames.book;
	POINT_SETUP(&book->point);
	v->source = (struct source) { book, &v->plan.layout, v->plan.lower };
	book->source = v->plan.lower >= 0 ? BOOK_LOWER : BOOK_MEMORY;
	book->live = v->plan.uffd >= 0;
	/* A file that is finished is a view from the beginning. */
	if (v->plan.lower >= 0 && !v->plan.process) {
		book->blocks = source_blocks(&v->source);
		book->state = BOOK_FROZEN;
	}
}

/* For the first worker's word.  Until then keeper and worker have our standard error. */
static int wait_ready(const struct view *v, int fd)
{
	char byte;

	if (read(fd, &byte, 1) == 1)
		return 0;
	unlink(v->socket);
	mount_remove(v->mount, true);
	return 1;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The spawner may have left us more than we want: a pipe that it waits at the end of. */
static void close_others(const struct view *v)
{
	int keep[LAYOUT_BLOCKS_MAX + 32], n = 0, next = STDERR_FILENO + 1;
	const int ours[] = {
		v->plan.uffd, v->plan.peer, v->plan.lower, v->frames.buffer,
		v->frames.spill, v->faults.kick, v->faults.stop, v->faults.stopped,
		v->faults.dropped,
		v->fuse, v->listen, v->log, v->gone, v->ready,
	};

	for (size_t i = 0; i < G_N_ELEMENTS(ours); i++)
		keep[n++] = ours[i];
	for (size_t i = 0; i < v->plan.layout.n_blocks; i++)
		keep[n++] = v->plan.layout.blocks[i].fd;
	qsort(keep, n, sizeof(*keep), compare);
	for (int i = 0; i < n; i++) {
		if (keep[i] > next)
			close_range(next, keep[i] - 1, 0);
		next = MAX(next, keep[i] + 1);
	}
	close_range(next, UINT_MAX, 0);
}

static void become_daemon(const struct view *v)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close_others(v);
	(void)!chdir("/");
}

int main(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct view v = { .keeper = -1 };
	int ready[2];

	parse(&a, argc, argv);
	umask(077);
	name(&v, &a);
	open_log(&v);
	set_up(&v, &a);
	listen_at(&v);
	mount_at(&v);
	if (pipe2(ready, O_CLOEXEC) < 0)
		die(1, "pipe: %s", g_strerror(errno));
	switch (fork()) {
	case -1:
		die(1, "fork: %s", g_strerror(errno));
	case 0:
		v.ready = ready[1];
		become_daemon(&v);
		keeper_run(&v);
	}
	close(ready[1]);
	_exit(wait_ready(&v, ready[0]));
}
