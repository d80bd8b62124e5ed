/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "field.h"
#include "fs.h"
#include "inherit.h"
#include "mount.h"
#include "point.h"
#include "ram.h"

#define CONTROL_BYTES 65536
#define CONTROL_BRACKETS 64
#define CONTROL_CLIENTS 32
#define CONTROL_GRACE 100		/* times 10 ms, for files that were just closed */

enum { LISTEN, GONE, CLIENTS };

static JsonObject *fault(const char *format, ...) G_GNUC_PRINTF(1, 2);

static JsonObject *fault(const char *format, ...)
{
	JsonObject *reply = json_object_new();
	g_autofree char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = g_strdup_vprintf(format, ap);
	va_end(ap);
	json_object_set_string_member(reply, "error", text);
	return reply;
}

static JsonObject *done(void)
{
	JsonObject *reply = json_object_new();

	json_object_set_boolean_member(reply, "ok", TRUE);
	return reply;
}

/* Errors of the faults, by what the caller can do. */
static JsonObject *failure(int error)
{
	switch (-error) {
	case EALREADY:	return fault("the view is frozen already");
	case EAGAIN:	return fault("the view is not frozen yet; freeze it first");
	case EIO:	return fault("the view was given up; take another snapshot");
	case EBUSY:	return fault("the memory is being written; stop the machine");
	case ENOSPC:	return fault("no room in the buffer; raise --budget");
	case ESRCH:	return fault("the process has ended");
	case EPIPE:	return fault("the machine is not under our protection");
	case ENOTCONN:	return fault("the older view does not hand over; see log");
	default:	return fault("%s", g_strerror(-error));
	}
}

/* What was protected, and how long that took. */
static JsonObject *measured(int r, const struct faults_result *result, const char *frames)
{
	JsonObject *reply;

	if (r < 0)
		return failure(r);
	reply = done();
	json_object_set_int_member(reply, frames, result->frames);
	json_object_set_int_member(reply, "us", result->us);
	return reply;
}

static JsonObject *op_arm(struct view *v, JsonObject *request)
{
	struct faults_result result = { 0 };
	int r = faults_arm(v, &result);
	JsonObject *reply = measured(r, &result, "left");

	(void)request;
	if (r >= 0)
		json_object_set_int_member(reply, "passes", result.passes);
	return reply;
}

static JsonObject *op_freeze(struct view *v, JsonObject *request)
{
	struct faults_result result = { 0 };
	int r = faults_freeze(v, &result);

	(void)request;
	return measured(r, &result, "frames");
}

/* reply() sends the descriptors with it. */
static JsonObject *op_hand_over(struct view *v, JsonObject *request)
{
	struct faults_result result = { 0 };
	int r = faults_hand_over(v, &result);
	JsonObject *reply = measured(r, &result, "frames");

	(void)request;
	if (r >= 0)
		json_object_set_int_member(reply, "descriptors", INHERIT_FDS);
	return reply;
}

/* NULL, or why it is no "ram" to stand on. */
static JsonObject *unfit(const struct view *v, const char *path, int fd)
{
	struct stat st, own;
	char byte;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fault("%s: %s", path, g_strerror(errno));
	if (stat(v->mount, &own) == 0 && own.st_dev == st.st_dev)
		return fault("%s: a view does not stand on itself", path);
	if ((uint64_t)st.st_size != v->plan.layout.size)
		return fault("%s: the RAM of another machine, by its size", path);
	if (pread(fd, &byte, 1, 0) != 1)
		return fault("%s: %s; is it frozen?", path, g_strerror(errno));
	return NULL;
}

static JsonObject *op_rebase(struct view *v, JsonObject *request)
{
	const char *path = field_text(request, "ram");
	JsonObject *reply;
	int fd, r;

	if (!path)
		return fault("rebase needs a path of \"ram\"");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	reply = unfit(v, path, fd);
	if (reply) {
		if (fd >= 0)
			close(fd);
		return reply;
	}
	r = faults_rebase(v, fd);
	if (r == 0)
		return done();
	close(fd);
	return failure(r);
}

static JsonObject *op_detach(struct view *v, JsonObject *request)
{
	int r = faults_detach(v);

	(void)request;
	return r < 0 ? failure(r) : done();
}

static void set(JsonObject *o, const char *name, _Atomic uint64_t *value)
{
	json_object_set_int_member(o, name, atomic_load(value));
}

static void set_room(const struct view *v, JsonObject *reply)
{
	struct book *book = v->frames.book;

	json_object_set_int_member(reply, "buffer", frames_bytes(&v->frames));
	if (v->frames.budget)
		json_object_set_int_member(reply, "budget",
					   v->frames.budget * LAYOUT_UNIT);
	else
		json_object_set_null_member(reply, "budget");
	json_object_set_string_member(reply, "on-full", v->drop ? "drop" : "stop");
	json_object_set_boolean_member(reply, "full", atomic_load(&book->full));
	json_object_set_boolean_member(reply, "waiting", atomic_load(&book->waiting));
}

static JsonObject *op_status(struct view *v, JsonObject *request)
{
	static const char *const states[] = { "open", "arming", "frozen", "dropped" };
	struct book *book = v->frames.book;
	JsonObject *reply = done();

	(void)request;
	json_object_set_string_member(reply, "state", states[view_state(v)]);
	json_object_set_boolean_member(reply, "live", atomic_load(&book->live));
	json_object_set_int_member(reply, "frames", v->frames.count);
	set(reply, "kept", &book->kept);
	set(reply, "zero", &book->zero);
	set(reply, "faults", &book->faults);
	set(reply, "reads", &book->reads);
	set(reply, "restarts", &book->restarts);
	set_room(v, reply);
	json_object_set_int_member(reply, "users", fs_users(v, true));
	return reply;
}

/* A file that was just closed: the kernel tells us a moment later. */
static unsigned int users(const struct view *v)
{
	unsigned int n = fs_users(v, true);

	for (int i = 0; n && i < CONTROL_GRACE; i++) {
		poll(NULL, 0, 10);
		n = fs_users(v, true);
	}
	return n;
}

static JsonObject *op_close(struct view *v, JsonObject *request)
{
	bool force = field_flag(request, "force");
	unsigned int n = force ? 0 : users(v);
	int r;

	if (n)
		return fault("ram is in use: %u open files", n);
	r = mount_remove(v->mount, force);
	if (r < 0)
		return fault("%s: cannot unmount: %s", v->mount, g_strerror(-r));
	POINT("unmounted");
	control_end(v);
	return done();
}

static const struct {
	const char *name;
	JsonObject *(*run)(struct view *v, JsonObject *request);
} operations[] = {
	{ "arm", op_arm },
	{ "freeze", op_freeze },
	{ "hand-over", op_hand_over },
	{ "rebase", op_rebase },
	{ "detach", op_detach },
	{ "status", op_status },
	{ "close", op_close },
};

JsonObject *control_answer(struct view *v, const char *text, size_t size)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) root = field_parse(text, size, CONTROL_BRACKETS, &error);
	const char *op;

	if (!root)
		return fault("no request: %s", error->message);
	op = field_text(json_node_get_object(root), "op");
	for (size_t i = 0; op && i < G_N_ELEMENTS(operations); i++)
		if (strcmp(operations[i].name, op) == 0)
			return operations[i].run(v, json_node_get_object(root));
	return fault("no such request; arm, freeze, hand-over, rebase, detach, status, "
		     "close are");
}

static void reply(const struct view *v, int fd, JsonObject *object)
{
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
	g_autofree char *text = json_to_string(node, FALSE);

	if (json_object_has_member(object, "descriptors"))
		inherit_send(fd, text, (int[]) { v->faults.uffd, v->faults.peer });
	else
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	json_object_unref(object);
}

/* False: the client has gone. */
static bool handle(struct view *v, int fd)
{
	static char text[CONTROL_BYTES];
	ssize_t n = recv(fd, text, sizeof(text), MSG_TRUNC | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	POINT("control-read");
	if (n > (ssize_t)sizeof(text))
		reply(v, fd, fault("a request of more than %d bytes", CONTROL_BYTES));
	else
		reply(v, fd, control_answer(v, text, n));
	return true;
}

static void add_client(struct view *v, struct pollfd *p)
{
	int fd = accept4(v->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	for (int i = CLIENTS; i < CLIENTS + CONTROL_CLIENTS && fd >= 0; i++) {
		if (p[i].fd >= 0)
			continue;
		p[i] = (struct pollfd) { .fd = fd, .events = POLLIN };
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void serve_clients(struct view *v, struct pollfd *p)
{
	for (int i = CLIENTS; i < CLIENTS + CONTROL_CLIENTS; i++) {
		if (p[i].fd < 0 || !p[i].revents || handle(v, p[i].fd))
			continue;
		close(p[i].fd);
		p[i].fd = -1;
	}
}

/* Unmounted: the machine is let go, the keeper starts no other worker. */
void control_end(struct view *v)
{
	faults_abandon(v);
	unlink(v->socket);
	atomic_store(&v->frames.book->closed, 1);
}

void control_run(struct view *v)
{
	struct pollfd p[CLIENTS + CONTROL_CLIENTS];

	p[LISTEN] = (struct pollfd) { .fd = v->listen, .events = POLLIN };
	p[GONE] = (struct pollfd) { .fd = v->gone, .events = POLLIN };
	for (int i = CLIENTS; i < CLIENTS + CONTROL_CLIENTS; i++)
		p[i].fd = -1;
	while (!atomic_load(&v->frames.book->closed)) {
		if (poll(p, G_N_ELEMENTS(p), -1) < 0)
			continue;
		serve_clients(v, p);
		if (p[GONE].revents && !atomic_load(&v->frames.book->closed))
			control_end(v);
		if (p[LISTEN].revents)
			add_client(v, p);
	}
}
