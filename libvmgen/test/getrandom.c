/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Kernel random bytes of one generation and one process, or none at all: what was
 * drawn across a restore is drawn again, and what nobody vouches for is refused.
 *
 * A child is stopped by ptrace at the end of each getrandom() that it makes, and there
 * the machine is restored, or the kernel does what it seldom does.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "test.h"

/* More than the kernel gives in one call. */
#define BIG		((size_t)33 << 20)

static int fd;

static bool all(const unsigned char *buf, size_t size, unsigned char value)
{
	while (size && *buf == value) {
		buf++;
		size--;
	}
	return !size;
}

static void fills(void)
{
	unsigned char a[32] = { 0 }, b[32] = { 0 }, *big = malloc(BIG);

	CHECK(vmgen_getrandom(a, sizeof(a), 0) == 0);
	CHECK(vmgen_getrandom(b, sizeof(b), VMGEN_UNVERIFIED) == 0);
	CHECK(memcmp(a, b, sizeof(a)) && !all(a, sizeof(a), 0));
	CHECK(vmgen_getrandom(a, 0, 0) == 0);
	CHECK(vmgen_getrandom(NULL, 0, 0) == 0);
	CHECK(vmgen_getrandom(a, sizeof(a), 2) == -EINVAL);
	CHECK(big);
	memset(big, 0, BIG);
	CHECK(vmgen_getrandom(big, BIG, 0) == 0);
	CHECK(!all(big, 64, 0) && !all(big + BIG / 2, 64, 0) && !all(big + BIG - 64, 64, 0));
	free(big);
}

/* Fails with @error, leaves nothing in the buffer, and can be told to go on. */
static void refuses(int error)
{
	unsigned char buf[40];

	memset(buf, 0x5a, sizeof(buf));
	errno = EXDEV;
	CHECK(vmgen_getrandom(buf, 32, 0) == error);
	CHECK(errno == EXDEV);
	CHECK(all(buf, 32, 0) && all(buf + 32, 8, 0x5a));
	CHECK(vmgen_getrandom(buf, 32, VMGEN_UNVERIFIED) == 0);
	CHECK(!all(buf, 32, 0) && all(buf + 32, 8, 0x5a));
}

static void with_fault(enum vmgen_test_fault fault, int error)
{
	CHECK(vmgen_test_fault(fd, fault) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	refuses(error);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
}

static void is_fail_closed(void)
{
	int other;

	with_fault(VMGEN_TEST_WEDGE, -EIO);
	with_fault(VMGEN_TEST_GARBAGE, -EBADMSG);
	with_fault(VMGEN_TEST_REMOVE, -ENODEV);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_DENY) == 0);
	CHECK(vmgen_test_install(fd) == 0);
	refuses(-EACCES);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);

	/* These have a counter, and nobody who says that the kernel is ready. */
	other = counter(VMGEN_TEST_VMCLOCK);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	refuses(-EOPNOTSUPP);
	close(other);
	other = counter(VMGEN_TEST_SYSGENID);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	refuses(-EOPNOTSUPP);
	close(other);
	CHECK(vmgen_test_install(fd) == 0);
}

#if defined(__x86_64__) || defined(__i386__)

#ifdef __x86_64__
#define RESULT(regs)	((regs).rax)
#define NUMBER(regs)	((long)(regs).orig_rax)
#else
#define RESULT(regs)	((regs).eax)
#define NUMBER(regs)	((regs).orig_eax)
#endif

/* What the child has drawn, and what it has returned. */
static struct shared {
	unsigned char buf[32];
	int result;
} *shared;

/* What the kernel does at the end of a getrandom(). */
enum event { NOTHING, RESTORE, INTERRUPT, SHORT };

static void child(unsigned int flags)
{
	CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	raise(SIGSTOP);
	shared->result = vmgen_getrandom(shared->buf, sizeof(shared->buf), flags);
	_exit(0);
}

/* To the next start or end of a system call; false when the child has ended. */
static bool next_stop(pid_t pid, struct user_regs_struct *regs)
{
	int status;

	CHECK(ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status)) {
		CHECK(WEXITSTATUS(status) == 0);
		return false;
	}
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == (SIGTRAP | 0x80));
	CHECK(ptrace(PTRACE_GETREGS, pid, NULL, regs) == 0);
	return true;
}

static void happen(pid_t pid, enum event event, struct user_regs_struct *regs)
{
	if (event == RESTORE) {
		CHECK(vmgen_test_bump(fd) == 0);
		return;
	}
	if (event == INTERRUPT)
		RESULT(*regs) = (unsigned long)-EINTR;
	else if (event == SHORT)
		RESULT(*regs) = 5;
	CHECK(ptrace(PTRACE_SETREGS, pid, NULL, regs) == 0);
}

/* The events one after another; how often did the child call getrandom()? */
static int draws(const enum event *events, unsigned int flags)
{
	struct user_regs_struct regs;
	unsigned char first[32];
	int calls = 0, status;
	bool ending = false;
	pid_t pid = fork();

	if (pid == 0)
		child(flags);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD) == 0);
	shared->result = 1;
	while (next_stop(pid, &regs)) {
		ending = !ending;
		if (ending || NUMBER(regs) != SYS_getrandom)
			continue;
		if (calls++ == 0)
			memcpy(first, shared->buf, sizeof(first));
		if (*events)
			happen(pid, *events++, &regs);
	}
	CHECK(!*events);
	/* Of what was drawn before a restore, not a byte is handed out. */
	CHECK(calls == 1 || memcmp(first, shared->buf, 5));
	return shared->result < 0 ? shared->result : calls;
}

static void draws_again(void)
{
	static const enum event none[] = { NOTHING },
		once[] = { RESTORE, NOTHING },
		thrice[] = { RESTORE, RESTORE, RESTORE, NOTHING },
		signals[] = { INTERRUPT, INTERRUPT, RESTORE, INTERRUPT, NOTHING };

	CHECK(draws(none, 0) == 1);
	CHECK(draws(once, 0) == 2);
	CHECK(draws(once, VMGEN_UNVERIFIED) == 2);
	CHECK(draws(thrice, 0) == 4);
	CHECK(draws(signals, 0) == 5);
}

/* The rest of 32 bytes after the first 5, and then all of it. */
static void draws_the_rest(void)
{
	static const enum event events[] = { RESTORE, SHORT, SHORT, NOTHING };

	CHECK(draws(events, 0) == 4);
}

static void in_the_tracer(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	draws_again();
	draws_the_rest();

	/* The page lags, and the restore is seen all the same. */
	close(fd);
	fd = counter(VMGEN_TEST_SOFTWARE);
	draws_again();
}

#else
static void in_the_tracer(void)
{
	skip("steps x86 only");
}
#endif

int main(void)
{
	fd = counter(0);
	fills();
	is_fail_closed();
	if (getenv("WRAPPER") && *getenv("WRAPPER"))
		skip("cannot be traced under another program");
	in_the_tracer();
	return 0;
}
