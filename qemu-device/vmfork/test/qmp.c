/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The QMP client against a QEMU that a thread plays from a script: lines that it sends,
 * "<" where it waits for a line of the client first, and "fd" where that has a descriptor.
 */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cancel.h"
#include "qmp.h"
#include "tap.h"

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n"
#define HELLO GREETING, "<", "{\"return\": {}, \"id\": 1}\n"
#define SHORT (G_USEC_PER_SEC / 5)

struct script {
	const char *const *lines;
	int fd, got_fd;
	char last[65536];	/* line of the client */
	pthread_t thread;
};

static void play_receive(struct script *s)
{
	char control[CMSG_SPACE(sizeof(int))];
	size_t have = 0;

	do {
		struct iovec iov = { s->last + have, sizeof(s->last) - 1 - have };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(s->fd, &msg, 0);
		struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;

		if (n <= 0)
			return;
		if (c && c->cmsg_type == SCM_RIGHTS)
			memcpy(&s->got_fd, CMSG_DATA(c), sizeof(int));
		have += n;
		s->last[have] = '\0';
	} while (!strchr(s->last, '\n'));
}

static void *play(void *data)
{
	struct script *s = data;

	for (const char *const *line = s->lines; *line; line++) {
		if (strcmp(*line, "<") == 0)
			play_receive(s);
		else if (strcmp(*line, "wait") == 0)
			while (recv(s->fd, s->last, sizeof(s->last), 0) > 0)
				;
		else if (send(s->fd, *line, strlen(*line), MSG_NOSIGNAL) < 0)
			break;
	}
	shutdown(s->fd, SHUT_WR);
	return NULL;
}

static struct qmp *begin(struct script *s, const char *const *lines, GError **error)
{
	struct qmp *qmp;
	int ends[2];

	memset(s, 0, sizeof(*s));
	s->got_fd = -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return NULL;
	s->lines = lines;
	s->fd = ends[1];
	pthread_create(&s->thread, NULL, play, s);
	qmp = qmp_attach(ends[0], "test", SHORT, error);
	return qmp;
}

static void finish(struct script *s, struct qmp *qmp)
{
	qmp_free(qmp);
	pthread_join(s->thread, NULL);
	close(s->fd);
	if (s->got_fd >= 0)
		close(s->got_fd);
}

static const char *member(JsonObject *object, const char *name)
{
	return object ? json_object_get_string_member_with_default(object, name, "") : "";
}

static void test_answers(void)
{
	const char *const lines[] = { HELLO, "<",
		"{\"event\": \"ONE\", \"data\": {\"n\": \"1\"}}\n{\"event\": \"TWO\"}\n",
		"{\"return\": {\"status\": \"old\"}, \"id\": 1}\n", "{\"return\": {\"sta",
		"tus\": \"new\"}, \"id\": 2}\n", "<", "{\"error\": {\"class\": \"GenericError\", "
		"\"desc\": \"no such thing\"}, \"id\": 3}\n",
		"{\"event\": \"ONE\", \"data\": {\"n\": \"2\"}}\n", "wait", NULL };
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonObject) answer = NULL, one = NULL, two = NULL, next = NULL;
	struct script s;
	struct qmp *qmp = begin(&s, lines, &error);

	ok(qmp, "the greeting is taken");
	answer = qmp_ask(qmp, "query-status", NULL, &error);
	ok(strcmp(member(answer, "status"), "new") == 0,
	   "an answer in two pieces, behind that of another command");
	ok(strstr(s.last, "\"query-status\"") && strstr(s.last, "\"id\":2"), "what was sent");
	ok(tap_refused(qmp_do(qmp, "nothing", json_object_new(), &error), &error, 1,
		       "no such thing"), "an error is QEMU's words");
	two = qmp_wait(qmp, "TWO", SHORT, &error);
	ok(two && json_object_get_size(two) == 0, "an event that came before, without data");
	one = qmp_wait(qmp, "ONE", SHORT, &error);
	next = qmp_wait(qmp, "ONE", SHORT, &error);
	ok(strcmp(member(one, "n"), "1") == 0 && strcmp(member(next, "n"), "2") == 0,
	   "events of one name in their order, one that was kept and one that comes");
	ok(tap_refused(qmp_wait(qmp, "ONE", SHORT, &error) != NULL, &error, 1, "does not answer"),
	   "an event that does not come is waited for so long, and no longer");
	finish(&s, qmp);
}

static void test_descriptor(void)
{
	const char *const lines[] = { HELLO, "<", "{\"return\": {}, \"id\": 2}\n", "wait", NULL };
	g_autoptr(GError) error = NULL;
	struct stat sent, got;
	struct script s;
	struct qmp *qmp = begin(&s, lines, &error);
	int fd = fileno(tmpfile());

	ok(qmp_send_fd(qmp, "name", fd, &error), "a descriptor is sent");
	ok(s.got_fd >= 0 && fstat(fd, &sent) == 0 && fstat(s.got_fd, &got) == 0 &&
	   sent.st_ino == got.st_ino, "it is the same file there, and open here");
	ok(strstr(s.last, "\"getfd\"") && strstr(s.last, "\"name\""), "by getfd, with its name");
	finish(&s, qmp);
}

static void test_bad(const char *name, const char *const *lines, const char *text)
{
	g_autoptr(GError) error = NULL;
	struct script s;
	struct qmp *qmp = begin(&s, lines, &error);
	gboolean done = qmp && qmp_do(qmp, "cont", NULL, &error);

	ok(tap_refused(done, &error, 1, text), name);
	finish(&s, qmp);
}

static void test_bad_ones(void)
{
	test_bad("no greeting", (const char *const []){ "{\"hello\": 1}\n", "wait", NULL },
		 "no monitor");
	test_bad("a silent one", (const char *const []){ "wait", NULL }, "does not answer");
	test_bad("one that ends", (const char *const []){ HELLO, "<", NULL }, "closed");
	test_bad("no JSON", (const char *const []){ HELLO, "<", "}{\n", "wait", NULL }, "no JSON");
	test_bad("no object", (const char *const []){ HELLO, "<", "[1]\n", "wait", NULL },
		 "no JSON object");
	test_bad("an error that is none", (const char *const []){ HELLO, "<",
		 "{\"error\": [], \"id\": 2}\n", "wait", NULL }, "without a description");
	test_bad("an id of another kind", (const char *const []){ HELLO, "<",
		 "{\"return\": {}, \"id\": {}}\n", "wait", NULL }, "does not answer");
}

static void test_cancelled(void)
{
	const char *const lines[] = { HELLO, "wait", NULL };
	g_autoptr(GError) error = NULL;
	struct script s;
	struct qmp *qmp = begin(&s, lines, &error);

	g_cancellable_cancel(cancel_token());
	ok(tap_refused(qmp_do(qmp, "cont", NULL, &error), &error, 130, ""),
	   "a wait is cancelled");
	cancel_shield();
	ok(tap_refused(qmp_do(qmp, "cont", NULL, &error), &error, 1, "does not answer"),
	   "but not that of what takes back");
	cancel_expose();
	finish(&s, qmp);
}

int main(void)
{
	cancel_start();
	test_answers();
	test_descriptor();
	test_bad_ones();
	test_cancelled();
	return tap_end();
}
