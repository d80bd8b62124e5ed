/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

#include <json-glib/json-glib.h>

#include "standin.h"

static struct view *views[16];
static pid_t tester;

/* A test that fails leaves no mount and no server. */
static void clean(void)
{
	char command[1000];

	for (int i = 0; i < 16; i++) {
		if (!views[i])
			continue;
		snprintf(command, sizeof(command), "cat '%s/log' >&2; umount -l '%s/view'; "
			 "rm -rf '%s'", views[i]->dir, views[i]->dir, views[i]->dir);
		if (system(command))
			continue;
	}
}

static void track(struct view *old, struct view *new)
{
	tester = getpid();
	for (int i = 0; i < 16; i++) {
		if (views[i] != old)
			continue;
		views[i] = new;
		return;
	}
}

void check(bool true_, const char *file, int line, const char *what)
{
	if (true_)
		return;
	fprintf(stderr, "%s:%d: not true: %s (errno %d)\n", file, line, what, errno);
	if (getpid() == tester)
		clean();
	_exit(1);
}

void skip(const char *reason)
{
	printf("%s\n", reason);
	exit(77);
}

void need_root(void)
{
	if (geteuid())
		skip("userfaultfd for what the kernel writes, and the mount, need root");
	if (access("/dev/fuse", R_OK | W_OK) < 0)
		skip("there is no /dev/fuse");
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("# ");
	vprintf(format, ap);
	printf("\n");
	fflush(stdout);
	va_end(ap);
}

/* --- the machine's process --- */

static uint64_t half(const struct standin_block *b)
{
	return b->size / 2;
}

static uint64_t *word(const struct standin_block *b, uint64_t frame, unsigned int i)
{
	return (uint64_t *)(b->mem + frame * 4096) + i;
}

/* The frame's own page is in the second half as well, at the same distance. */
static void write_pair(struct standin_block *b, uint64_t frame, unsigned int i, uint64_t n)
{
	__atomic_store_n(word(b, frame, i), n, __ATOMIC_RELAXED);
	__atomic_store_n(word(b, frame + half(b) / 4096, i), n, __ATOMIC_RELAXED);
}

static void park(struct standin_shared *s)
{
	atomic_fetch_add(&s->parked, 1);
	while (atomic_load(&s->stop))
		syscall(SYS_sched_yield);
	atomic_fetch_sub(&s->parked, 1);
}

static struct standin *the_machine;

static void sweep(struct standin *m)
{
	for (int k = 0; k < m->n_blocks; k++)
		for (uint64_t f = 0; f < half(&m->blocks[k]) / 4096; f++)
			write_pair(&m->blocks[k], f, 0, ~f);
	atomic_fetch_add(&m->shared->sweep, 1);
}

static void time_writes(struct standin *m)
{
	int n = atomic_load(&m->shared->timed);

	for (int i = 0; i < n; i++) {
		struct timespec a, b;

		clock_gettime(CLOCK_MONOTONIC, &a);
		*(volatile unsigned char *)(m->blocks[0].mem + i * 4096) = 1;
		clock_gettime(CLOCK_MONOTONIC, &b);
		m->shared->us[i] = (b.tv_sec - a.tv_sec) * 1e6 +
				   (b.tv_nsec - a.tv_nsec) / 1e3;
	}
	atomic_store(&m->shared->timed, 0);
}

/* Writers have places of their own, so that a pair is one writer's. */
static void *writer(void *argument)
{
	struct standin *m = the_machine;
	int self = (int)(intptr_t)argument;
	uint64_t state = self * 7919 + 1, n = 0;
	int none = 0;

	for (;;) {
		struct standin_block *b;
		unsigned int i;

		if (atomic_load(&m->shared->stop))
			park(m->shared);
		if (self == 0 && atomic_compare_exchange_strong(&m->shared->write_all,
								&(int) { 1 }, none))
			sweep(m);
		if (self == 0 && atomic_load(&m->shared->timed))
			time_writes(m);
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
		b = &m->blocks[(state >> 60) % m->n_blocks];
		i = (state >> 50) % (STANDIN_PAIRS / STANDIN_WRITERS) * STANDIN_WRITERS + self;
		write_pair(b, (state >> 20) % (half(b) / 4096), i,
			   ++n * STANDIN_WRITERS + self);
		atomic_fetch_add_explicit(&m->shared->writes, 1, memory_order_relaxed);
	}
	return NULL;
}

static int new_uffd(struct standin *m)
{
	struct uffdio_api api = { UFFD_API, UFFD_FEATURE_PAGEFAULT_FLAG_WP |
				  UFFD_FEATURE_WP_HUGETLBFS_SHMEM, 0 };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	CHECK(uffd >= 0 && ioctl(uffd, UFFDIO_API, &api) == 0);
	for (int i = 0; i < m->n_blocks; i++) {
		struct uffdio_register r = {
			{ (uintptr_t)m->blocks[i].mem, m->blocks[i].size },
			UFFDIO_REGISTER_MODE_WP, 0
		};

		CHECK(ioctl(uffd, UFFDIO_REGISTER, &r) == 0);
	}
	return uffd;
}

static void send_fds(int sock, const int *fds, int n)
{
	char control[CMSG_SPACE(8 * sizeof(int))] = { 0 };
	struct iovec iov = { "V", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	CHECK(sendmsg(sock, &msg, 0) == 1);
}

static int receive_fd(int sock)
{
	char control[CMSG_SPACE(8 * sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(sock, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* As QEMU's watcher: never touches the memory, lets it go when the other end hangs up. */
static void watch(struct standin *m, int uffd, int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLRDHUP };

	while (!atomic_load(&m->shared->close) && poll(&p, 1, 10) == 0)
		;
	for (int i = 0; i < m->n_blocks; i++) {
		struct uffdio_range r = { (uintptr_t)m->blocks[i].mem, m->blocks[i].size };

		ioctl(uffd, UFFDIO_UNREGISTER, &r);
	}
	close(uffd);
	close(sock);
	atomic_store(&m->shared->close, 0);
	atomic_fetch_add(&m->shared->closed, 1);
}

struct watched {
	struct standin *m;
	int uffd, sock;
};

static void *watcher(void *argument)
{
	struct watched *w = argument;

	watch(w->m, w->uffd, w->sock);
	free(w);
	return NULL;
}

/* Each socket that comes is one ram-view-open. */
static void serve(struct standin *m)
{
	int sock, fds[1];

	while ((sock = receive_fd(m->command)) >= 0) {
		struct watched *w = malloc(sizeof(*w));
		pthread_t thread;

		*w = (struct watched) { m, new_uffd(m), sock };
		fds[0] = w->uffd;
		send_fds(sock, fds, 1);
		CHECK(pthread_create(&thread, NULL, watcher, w) == 0);
	}
}

static void live(struct standin *m)
{
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	the_machine = m;
	for (int i = 0; i < m->n_blocks; i++) {
		m->blocks[i].mem = mmap(NULL, m->blocks[i].size, PROT_READ | PROT_WRITE,
					MAP_SHARED, m->blocks[i].fd, 0);
		CHECK(m->blocks[i].mem != MAP_FAILED);
		m->shared->host[i] = (uintptr_t)m->blocks[i].mem;
	}
	for (int i = 0; i < m->writers; i++)
		CHECK(pthread_create(&thread, NULL, writer, (void *)(intptr_t)i) == 0);
	atomic_store(&m->shared->ready, 1);
	serve(m);
	for (;;)
		pause();
}

/* --- the test's side --- */

static void tick(void)
{
	poll(NULL, 0, 1);
}

static void new_block(struct standin_block *b, uint64_t size, uint64_t page)
{
	b->size = size;
	b->page = page ? page : 4096;
	b->fd = memfd_create("standin", MFD_CLOEXEC | (page > 4096 ? MFD_HUGETLB : 0));
	CHECK(b->fd >= 0 && ftruncate(b->fd, size) == 0);
	b->mem = mmap(NULL, size, PROT_READ, MAP_SHARED, b->fd, 0);
	CHECK(b->mem != MAP_FAILED);
}

void standin_start(struct standin *m, int writers, int n_blocks, uint64_t size, uint64_t page)
{
	int pair[2];

	memset(m, 0, sizeof(*m));
	m->writers = writers;
	m->n_blocks = n_blocks;
	m->size = n_blocks * size;
	m->uffd = m->peer = -1;
	m->shared = mmap(NULL, sizeof(*m->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(m->shared != MAP_FAILED);
	for (int i = 0; i < n_blocks; i++)
		new_block(&m->blocks[i], size, page);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	m->pid = fork();
	CHECK(m->pid >= 0);
	if (m->pid == 0) {
		close(pair[1]);
		m->command = pair[0];
		live(m);
	}
	close(pair[0]);
	m->command = pair[1];
	while (!atomic_load(&m->shared->ready))
		tick();
	for (int i = 0; i < n_blocks; i++)
		m->blocks[i].host = m->shared->host[i];
}

void standin_open(struct standin *m)
{
	int pair[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	send_fds(m->command, pair, 1);
	close(pair[0]);
	m->peer = pair[1];
	m->uffd = receive_fd(m->peer);
	CHECK(m->uffd >= 0);
	/* They are to be inherited. */
	fcntl(m->uffd, F_SETFD, 0);
}

void standin_stop(struct standin *m)
{
	atomic_store(&m->shared->stop, 1);
	while (atomic_load(&m->shared->parked) < m->writers)
		tick();
}

void standin_cont(struct standin *m)
{
	atomic_store(&m->shared->stop, 0);
}

void standin_kill(struct standin *m)
{
	kill(m->pid, SIGKILL);
	CHECK(waitpid(m->pid, NULL, 0) == m->pid);
	m->pid = 0;
}

void standin_progress(struct standin *m, uint64_t n)
{
	uint64_t until = atomic_load(&m->shared->writes) + n;

	while (atomic_load(&m->shared->writes) < until)
		tick();
}

void standin_write_all(struct standin *m)
{
	uint64_t before = atomic_load(&m->shared->sweep);

	atomic_store(&m->shared->write_all, 1);
	while (atomic_load(&m->shared->sweep) == before)
		tick();
}

void view_dir(struct view *v)
{
	const char *tmp = getenv("TMPDIR");

	memset(v, 0, sizeof(*v));
	snprintf(v->dir, sizeof(v->dir), "%s/vmfork-view.XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(v->dir));
	track(NULL, v);
}

static void write_json(struct view *v, const char *json)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/view.json", v->dir);
	f = fopen(path, "w");
	CHECK(f && fputs(json, f) >= 0 && fclose(f) == 0);
}

static void run(struct view *v, const char *const *more)
{
	const char *argv[16] = { getenv("VMFORK_VIEW"), "--dir", v->dir, "--view" };
	char path[300];
	int n = 4;

	CHECK(argv[0]);
	snprintf(path, sizeof(path), "%s/view.json", v->dir);
	argv[n++] = path;
	while (more && *more)
		argv[n++] = *more++;
	execv(argv[0], (char **)argv);
	_exit(127);
}

int view_try(struct view *v, const char *json, const char *const *more, char *error,
	     size_t size)
{
	int fds[2], status;
	ssize_t n, got = 0;
	pid_t pid;

	write_json(v, json);
	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		run(v, more);
	}
	close(fds[1]);
	/* Ends when the daemon has let go of it, too. */
	while ((n = read(fds[0], error + got, size - 1 - got)) > 0)
		got += n;
	error[got] = 0;
	close(fds[0]);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

void view_start_json(struct view *v, const char *json, const char *const *more)
{
	char error[4096];
	int status = view_try(v, json, more, error, sizeof(error));

	if (status || *error)
		fprintf(stderr, "vmfork-view: exit %d, %s\n", status, error);
	CHECK(status == 0 && !*error);
}

/* @old: the view whose server has the userfaultfd, or NULL. */
static void describe(struct standin *m, struct view *old, char *json, size_t size)
{
	int n;

	if (old)
		n = snprintf(json, size, "{\"version\": 1, \"inherits\": \"%s/control\", "
			     "\"blocks\": [", old->dir);
	else
		n = snprintf(json, size, "{\"version\": 1, \"uffd\": %d, \"peer\": %d, "
			     "\"blocks\": [", m->uffd, m->peer);

	for (int i = 0; i < m->n_blocks; i++) {
		struct standin_block *b = &m->blocks[i];

		n += snprintf(json + n, size - n, "%s{\"id\": \"ram%d\", \"size\": %llu, "
			      "\"page-size\": %llu, \"host\": %llu, \"fd\": %d, "
			      "\"fd-offset\": 0, \"ranges\": [{\"address\": %llu, "
			      "\"offset\": 0, \"size\": %llu}]}", i ? ", " : "", i,
			      (unsigned long long)b->size, (unsigned long long)b->page,
			      (unsigned long long)b->host, b->fd,
			      (unsigned long long)(i * b->size),
			      (unsigned long long)b->size);
	}
	snprintf(json + n, size - n, "]}");
}

static void start(struct view *v, struct view *old, struct standin *m,
		  const char *const *more)
{
	char json[4096];

	view_dir(v);
	for (int i = 0; i < m->n_blocks; i++)
		fcntl(m->blocks[i].fd, F_SETFD, 0);
	describe(m, old, json, sizeof(json));
	view_start_json(v, json, more);
	v->size = m->size;
}

void view_start(struct view *v, struct standin *m, const char *const *more)
{
	standin_open(m);
	start(v, NULL, m, more);
	close(m->uffd);
	close(m->peer);
	m->uffd = m->peer = -1;
}

void view_start_next(struct view *v, struct view *old, struct standin *m)
{
	start(v, old, m, NULL);
}

static int dial(struct view *v)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s/control", v->dir);
	if (connect(sock, (struct sockaddr *)&a, sizeof(a)) < 0) {
		close(sock);
		return -1;
	}
	return sock;
}

const char *view_ask_raw(struct view *v, const void *data, size_t size)
{
	static char reply[65536];
	ssize_t n = -1;
	int sock;

	do {
		sock = dial(v);
		if (sock < 0)
			return NULL;
		if (send(sock, data, size, MSG_NOSIGNAL) == (ssize_t)size)
			n = recv(sock, reply, sizeof(reply) - 1, 0);
		close(sock);
	} while (n <= 0);
	reply[n] = 0;
	return reply;
}

const char *view_ask(struct view *v, const char *request)
{
	return view_ask_raw(v, request, strlen(request));
}

void view_ok(struct view *v, const char *request)
{
	const char *reply = view_ask(v, request);

	if (!reply || !strstr(reply, "\"ok\":true"))
		fprintf(stderr, "%s: %s\n", request, reply ? reply : "no server");
	CHECK(reply && strstr(reply, "\"ok\":true"));
}

void view_fails(struct view *v, const char *request, const char *text)
{
	const char *reply = view_ask(v, request);

	if (!reply || !strstr(reply, "\"error\"") || !strstr(reply, text))
		fprintf(stderr, "%s: %s\n", request, reply ? reply : "no server");
	CHECK(reply && strstr(reply, "\"error\"") && strstr(reply, text));
}

static JsonNode *field(struct view *v, const char *name, JsonParser *parser)
{
	const char *reply = view_ask(v, "{\"op\": \"status\"}");

	CHECK(reply && json_parser_load_from_data(parser, reply, -1, NULL));
	return json_object_get_member(json_node_get_object(json_parser_get_root(parser)),
				      name);
}

int64_t view_number(struct view *v, const char *name)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonNode *node = field(v, name, parser);

	CHECK(node);
	return json_node_get_int(node);
}

bool view_flag(struct view *v, const char *name)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonNode *node = field(v, name, parser);

	CHECK(node);
	return json_node_get_boolean(node);
}

bool view_is(struct view *v, const char *state)
{
	g_autoptr(JsonParser) parser = json_parser_new();
	JsonNode *node = field(v, "state", parser);

	CHECK(node);
	return strcmp(json_node_get_string(node), state) == 0;
}

void view_truth(struct view *v, struct standin *m)
{
	uint64_t at = 0;

	/* Not through a mapping: that would make pages of holes. */
	v->truth = malloc(m->size);
	CHECK(v->truth);
	for (int i = 0; i < m->n_blocks; i++) {
		for (uint64_t done = 0; done < m->blocks[i].size; ) {
			ssize_t n = pread(m->blocks[i].fd, v->truth + at + done,
					  m->blocks[i].size - done, done);

			CHECK(n > 0);
			done += n;
		}
		at += m->blocks[i].size;
	}
}

void view_freeze(struct view *v, struct standin *m)
{
	view_ok(v, "{\"op\": \"freeze\"}");
	view_truth(v, m);
}

/* --- processes of the server, by the folder in their command line --- */

static bool command_has(const char *pid, const char *text)
{
	char path[64], line[4096];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, line, sizeof(line));
		close(fd);
	}
	return n > 0 && memmem(line, n, text, strlen(text));
}

static int parent_of(const char *pid)
{
	char path[64], line[512], *p;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	p = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (p)
		sscanf(p, ") %*c %d", &parent);
	fclose(f);
	return parent;
}

/* The keeper is the one whose parent is not of the same folder. */
static pid_t find(struct view *v, bool keeper)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	while ((e = readdir(proc))) {
		char parent[32];

		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
		    !command_has(e->d_name, v->dir) || !command_has(e->d_name, "--view"))
			continue;
		snprintf(parent, sizeof(parent), "%d", parent_of(e->d_name));
		if (command_has(parent, v->dir) != keeper)
			found = atoi(e->d_name);
	}
	closedir(proc);
	return found;
}

pid_t view_worker(struct view *v)
{
	return find(v, false);
}

pid_t view_keeper(struct view *v)
{
	return find(v, true);
}

/* --- the view's files --- */

int view_open(struct view *v)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/view/ram", v->dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	return fd;
}

void view_compare(struct view *v, int fd)
{
	enum { PIECE = 1 << 20 };
	char *buf = malloc(PIECE);

	for (uint64_t at = 0; at < v->size; ) {
		uint64_t size = v->size - at < PIECE ? v->size - at : PIECE;
		ssize_t n = pread(fd, buf, size, at);

		CHECK(n > 0);
		CHECK(memcmp(buf, v->truth + at, n) == 0);
		at += n;
	}
	free(buf);
}

/* How many pairs of it disagree. */
uint64_t view_torn(struct view *v, struct standin *m, const unsigned char *ram)
{
	uint64_t torn = 0;

	(void)v;
	for (int k = 0; k < m->n_blocks; k++) {
		struct standin_block *b = &m->blocks[k];

		for (uint64_t f = 0; f < half(b) / 4096; f++)
			torn += memcmp(ram + f * 4096, ram + half(b) + f * 4096,
				       STANDIN_PAIRS * 8) != 0;
		ram += b->size;
	}
	return torn;
}

void view_compare_mmap(struct view *v, struct standin *m)
{
	int fd = view_open(v);
	unsigned char *ram = mmap(NULL, v->size, PROT_READ, MAP_SHARED, fd, 0);

	CHECK(ram != MAP_FAILED);
	CHECK(view_torn(v, m, ram) == 0);
	CHECK(memcmp(ram, v->truth, v->size) == 0);
	munmap(ram, v->size);
	close(fd);
}

static void check_log(struct view *v)
{
	static const char *const bad[] = { "Sanitizer", "runtime error", "CRITICAL" };
	char path[300], line[4096];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", v->dir);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
			found |= strstr(line, bad[i]) != NULL;
		if (found || getenv("V"))
			fprintf(stderr, "log: %s", line);
	}
	if (f)
		fclose(f);
	CHECK(!found);
}

void view_end(struct view *v)
{
	const char *reply = view_ask(v, "{\"op\": \"close\"}");

	/* No server: it died when it had unmounted, or was closed before. */
	char command[400];

	CHECK(!reply || strstr(reply, "\"ok\":true"));
	while (view_keeper(v) || view_worker(v))
		tick();
	check_log(v);
	snprintf(command, sizeof(command), "rm -rf '%s'", v->dir);
	CHECK(system(command) == 0);
	track(v, NULL);
	free(v->truth);
	v->truth = NULL;
}

void gate_open(struct gate *g, const char *point)
{
	char how[64];

	snprintf(g->path, sizeof(g->path), "/tmp/standin-gate.%d", getpid());
	snprintf(how, sizeof(how), "%s:gate", point);
	unlink(g->path);
	CHECK(mkfifo(g->path, 0600) == 0);
	setenv("VMFORK_VIEW_GATE", g->path, 1);
	setenv("VMFORK_VIEW_POINT", how, 1);
}

static void *read_first(void *argument)
{
	struct gate *g = argument;
	char buf[4096];
	int fd = view_open(g->view);
	ssize_t n = pread(fd, buf, sizeof(buf), 0);
	intptr_t error = n < 0 ? errno : 0;

	CHECK(n < 0 || n == sizeof(buf));
	CHECK(n < 0 || memcmp(buf, g->view->truth, sizeof(buf)) == 0);
	close(fd);
	return (void *)error;
}

void gate_reader(struct gate *g, struct view *v)
{
	unsetenv("VMFORK_VIEW_POINT");
	g->view = v;
	CHECK(pthread_create(&g->thread, NULL, read_first, g) == 0);
	g->fd = open(g->path, O_WRONLY | O_CLOEXEC);
	CHECK(g->fd >= 0);
}

int gate_release(struct gate *g)
{
	void *error;

	close(g->fd);
	CHECK(pthread_join(g->thread, &error) == 0);
	unlink(g->path);
	return (intptr_t)error;
}
