/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * With a counter, a child of fork() draws other bytes than its parent, also where it has
 * the same process id, because both are the first of their PID namespaces.  OpenSSL
 * compares nothing but the id, so without the provider these two draw the same.
 */
#include <sched.h>

#include "context.h"

#define SIZE	32

struct bytes {
	unsigned char plain[2][SIZE], guarded[2][SIZE];
};

static OSSL_LIB_CTX *plain, *guarded;

static struct bytes draw(void)
{
	struct bytes b;

	CHECK_SSL(RAND_bytes_ex(plain, b.plain[0], SIZE, 0) == 1);
	CHECK_SSL(RAND_priv_bytes_ex(plain, b.plain[1], SIZE, 0) == 1);
	CHECK_SSL(RAND_bytes_ex(guarded, b.guarded[0], SIZE, 0) == 1);
	CHECK_SSL(RAND_priv_bytes_ex(guarded, b.guarded[1], SIZE, 0) == 1);
	return b;
}

/* What a child draws. */
static struct bytes draw_in_child(pid_t expected)
{
	struct bytes b;
	int fds[2];
	pid_t pid;

	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(!expected || getpid() == expected);
		b = draw();
		CHECK(write(fds[1], &b, sizeof(b)) == sizeof(b));
		_exit(0);
	}
	CHECK(read(fds[0], &b, sizeof(b)) == sizeof(b));
	reap(pid);
	close(fds[0]);
	close(fds[1]);
	return b;
}

static void compare(struct bytes a, struct bytes b, int same)
{
	int i;

	for (i = 0; i < 2; i++) {
		CHECK((memcmp(a.plain[i], b.plain[i], SIZE) == 0) == same);
		CHECK(memcmp(a.guarded[i], b.guarded[i], SIZE) != 0);
	}
}

/* The next child is the first process of a new namespace. */
static int new_namespace(void)
{
	return unshare(CLONE_NEWPID) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0;
}

static void first_process(void)
{
	struct bytes child;

	CHECK(getpid() == 1);
	draw();
	CHECK(new_namespace());
	child = draw_in_child(1);
	compare(child, draw(), 1);
	_exit(0);
}

static void nested_namespaces(void)
{
	pid_t pid;

	if (!new_namespace())
		_exit(77);
	pid = fork();
	if (pid == 0)
		first_process();
	reap(pid);
	_exit(0);
}

int main(void)
{
	struct bytes child;
	int status;
	pid_t pid;

	counter(0);
	plain = context_new();
	guarded = context_guarded();
	draw();
	child = draw_in_child(0);
	compare(child, draw(), 0);
	pid = fork();
	if (pid == 0)
		nested_namespaces();
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	OSSL_LIB_CTX_free(guarded);
	OSSL_LIB_CTX_free(plain);
	if (WEXITSTATUS(status) == 77)
		skip("no PID namespaces for this user");
	return WEXITSTATUS(status);
}
