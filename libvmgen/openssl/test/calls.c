/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Drawing bytes with the provider makes not one system call more than without.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "context.h"

#define DRAWS	500
#define MARKER	SYS_getpgid	/* that libcrypto has no use for */

static void draw(OSSL_LIB_CTX *libctx)
{
	unsigned char out[32];
	int i;

	for (i = 0; i < DRAWS; i++) {
		CHECK_SSL(RAND_bytes_ex(libctx, out, sizeof(out), 0) == 1);
		CHECK_SSL(RAND_priv_bytes_ex(libctx, out, sizeof(out), 0) == 1);
	}
}

static void marker(void)
{
	syscall(MARKER, 0);
}

static void traced(void)
{
	OSSL_LIB_CTX *plain = context_new(), *guarded = context_guarded();

	CHECK(counter(0) >= 0);
	draw(plain);
	draw(guarded);
	CHECK(is_guarded(RAND_get0_public(guarded)));
	CHECK(!is_guarded(RAND_get0_public(plain)));
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(77);
	raise(SIGSTOP);
	marker();
	draw(plain);
	marker();
	draw(guarded);
	marker();
	_exit(0);
}

/* The number of the next system call; -1: the child has ended. */
static long next_call(pid_t pid)
{
	struct __ptrace_syscall_info info = { 0 };
	int status;

	do {
		CHECK(ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0);
		CHECK(waitpid(pid, &status, 0) == pid);
		if (!WIFSTOPPED(status)) {
			CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
			return -1;
		}
		CHECK(ptrace(PTRACE_GET_SYSCALL_INFO, pid, (void *)sizeof(info), &info) > 0);
	} while (info.op != PTRACE_SYSCALL_INFO_ENTRY);
	return (long)info.entry.nr;
}

/* How many there are before the next marker. */
static int count(pid_t pid)
{
	long call;
	int n = 0;

	while ((call = next_call(pid)) != MARKER) {
		CHECK(call >= 0);
		n++;
	}
	return n;
}

int main(void)
{
	int status, plain, guarded;
	pid_t pid;

	if (getenv("WRAPPER"))
		skip("valgrind makes system calls of its own");
	pid = fork();
	if (pid == 0)
		traced();
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip("ptrace() is not allowed");
	CHECK(WIFSTOPPED(status));
	CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL,
		     PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) == 0);
	count(pid);
	plain = count(pid);
	guarded = count(pid);
	printf("%d draws: %d system calls without, %d with\n", 2 * DRAWS, plain, guarded);
	CHECK(guarded == plain);
	while (next_call(pid) >= 0)
		;
	return 0;
}
