/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Seccomp filters of services, as instructions of BPF.
 *
 *	filtered allow NUMBER...	write one that kills on any other system call
 *	filtered of PID			write the one that a process has
 *	filtered try FILE		draw random bytes and use guards under it
 *
 * "try" does what a service does that forks workers: it has the provider before the fork,
 * the child enters the filter, and the machine is restored while it works.  OPENSSL_CONF
 * names the provider.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include "../../../test/test.h"

#define MAX	4096

static struct sock_filter filter[MAX];
static unsigned short length;

static void add(struct sock_filter instruction)
{
	CHECK(length < MAX);
	filter[length++] = instruction;
}

static void put(void)
{
	size_t size = length * sizeof(*filter);

	CHECK(write(STDOUT_FILENO, filter, size) == (ssize_t)size);
}

static void allow(char **numbers)
{
	add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					 offsetof(struct seccomp_data, nr)));
	for (; *numbers; numbers++) {
		add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						 (unsigned int)atoi(*numbers), 0, 1));
		add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	}
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	put();
}

static void of(pid_t pid)
{
	long n;

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		skip("ptrace() is not allowed");
	CHECK(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	n = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, NULL, filter);
	if (n < 0 && errno != ENOENT)
		skip("this kernel does not tell which filter a process has");
	CHECK(n > 0 && n < MAX);
	length = (unsigned short)n;
	put();
}

static void enter(void)
{
	struct sock_fprog program = { .filter = filter, .len = length };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}

/* --- A service ----------------------------------------------------------------- */

static vmgen_guard guard = VMGEN_GUARD_INIT;
static vmgen_once once = VMGEN_ONCE_INIT;
static int to_parent[2], to_child[2];

static int reseed(void *ctx)
{
	return vmgen_getrandom(ctx, 16, VMGEN_UNVERIFIED);
}

static void work(void)
{
	unsigned char bytes[16];

	CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
	CHECK(RAND_priv_bytes(bytes, sizeof(bytes)) == 1);
	(void)vmgen_changed(&guard);
	CHECK(vmgen_begin(&guard, reseed, bytes) != 0);
	CHECK(vmgen_once_begin(&once, reseed, bytes) != 0);
}

/* The parent restores the machine, and the kernel is ready for that or not yet. */
static void restored(char how)
{
	CHECK(write(to_parent[1], &how, 1) == 1);
	CHECK(read(to_child[0], &how, 1) == 1);
}

static void worker(int fd)
{
	int i;

	close(to_parent[0]);
	enter();
	for (i = 0; i < 3; i++) {
		work();
		if (fd < 0)
			continue;
		restored('b');
		work();
		restored('r');
	}
	_exit(0);
}

/* @early: it has drawn before; else the provider is loaded, and that is all. */
static void service(int fd, int early)
{
	pid_t pid;
	char how;

	CHECK(EVP_RAND_is_a(EVP_RAND_CTX_get0_rand(RAND_get0_public(NULL)), "VMGEN-CTR-DRBG"));
	if (early)
		work();
	CHECK(pipe(to_parent) == 0 && pipe(to_child) == 0);
	pid = fork();
	if (pid == 0)
		worker(fd);
	close(to_parent[1]);
	while (read(to_parent[0], &how, 1) == 1) {
		CHECK(vmgen_test_bump(fd) == 0);
		CHECK(how == 'b' || vmgen_test_ready(fd) == 0);
		CHECK(write(to_child[1], &how, 1) == 1);
	}
	reap(pid);
	_exit(0);
}

static void with(unsigned int flags)
{
	pid_t pid = fork();

	if (pid == 0)
		service(counter(flags), 1);
	reap(pid);
}

static void without(int early)
{
	pid_t pid = fork();

	if (pid == 0)
		service(-1, early);
	reap(pid);
}

static void try_all(const char *path)
{
	FILE *f = fopen(path, "r");

	CHECK(f);
	length = (unsigned short)fread(filter, sizeof(*filter), MAX, f);
	CHECK(length > 4);
	fclose(f);
	without(1);
	without(0);
	with(0);
	with(VMGEN_TEST_SOFTWARE);
	with(VMGEN_TEST_VMCLOCK);
	with(VMGEN_TEST_SYSGENID);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";

	if (strcmp(what, "allow") == 0)
		allow(argv + 2);
	else if (strcmp(what, "of") == 0)
		of(atoi(argv[2]));
	else if (strcmp(what, "try") == 0)
		try_all(argv[2]);
	else
		return 2;
	return 0;
}
