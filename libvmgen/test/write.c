/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Check before send: in the epoch that is named, vmgen_write() is write(2); in any
 * other nothing is written.  Stepped through, with a restore at every instruction,
 * what is out of date gets out at the few that the check cannot cover, and nowhere
 * else.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>

#include "test.h"

static vmgen_guard g = VMGEN_GUARD_INIT;
static int fd, out[2];

static int reseed(void *ctx)
{
	(void)ctx;
	return 0;
}

static vmgen_epoch begin(void)
{
	vmgen_epoch e = vmgen_begin(&g, reseed, NULL);

	CHECK(e != 0);
	return e;
}

/* How much is in the pipe, and take it out. */
static int take(void)
{
	char buf[PIPE_BUF];
	int n;

	CHECK(ioctl(out[0], FIONREAD, &n) == 0);
	CHECK(n < PIPE_BUF && (!n || read(out[0], buf, sizeof(buf)) == n));
	return n;
}

static void only_in_its_epoch(void)
{
	vmgen_epoch e = begin();

	errno = EXDEV;
	CHECK(vmgen_write(&g, e, out[1], "hello", 5) == 5 && take() == 5);
	CHECK(vmgen_write(NULL, e, out[1], "", 0) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_write(&g, e, out[1], "hello", 5) == -ESTALE && take() == 0);
	CHECK(vmgen_write(&g, 0, out[1], "hello", 5) == -ESTALE && take() == 0);
	e = begin();
	CHECK(vmgen_write(&g, e, out[1], "hello", 5) == 5 && take() == 5);
	CHECK(errno == EXDEV);
}

static void as_write_does(void)
{
	static char many[1 << 20];
	vmgen_epoch e = begin();
	int full[2];

	errno = EXDEV;
	CHECK(vmgen_write(&g, e, -1, "x", 1) == -EBADF);
	CHECK(vmgen_write(&g, e, out[0], "x", 1) == -EBADF);
	CHECK(errno == EXDEV);
	CHECK(pipe(full) == 0);
	CHECK(fcntl(full[1], F_SETFL, O_NONBLOCK) == 0);
	CHECK(vmgen_write(&g, e, full[1], many, sizeof(many)) > 0);
	CHECK(vmgen_write(&g, e, full[1], many, sizeof(many)) == -EAGAIN);
	close(full[0]);
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	CHECK(vmgen_write(&g, e, full[1], "x", 1) == -EPIPE);
	close(full[1]);
}

static volatile sig_atomic_t signals;

static void handler(int sig)
{
	(void)sig;
	signals++;
}

static void interrupted(void)
{
	/* It may come before write() sleeps, and hence comes again. */
	struct itimerval often = { { 0, 10000 }, { 0, 10000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = handler };
	static char many[1 << 20];
	vmgen_epoch e = begin();
	int full[2];

	CHECK(pipe(full) == 0);
	CHECK(fcntl(full[1], F_SETFL, O_NONBLOCK) == 0);
	while (vmgen_write(&g, e, full[1], many, sizeof(many)) > 0)
		;
	CHECK(fcntl(full[1], F_SETFL, 0) == 0);
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
	CHECK(vmgen_write(&g, e, full[1], "x", 1) == -EINTR);
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	CHECK(signals > 0);
	close(full[0]);
	close(full[1]);
}

static void forked(void)
{
	vmgen_epoch e = begin();
	struct vmgen_info info;
	pid_t pid;

	CHECK(vmgen_sync(&info) == 0);
	if (!(info.flags & VMGEN_INFO_FORK))
		return;
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_write(&g, e, out[1], "hello", 5) == -ESTALE);
		CHECK(vmgen_write(&g, begin(), out[1], "hello", 5) == 5);
		_exit(0);
	}
	reap(pid);
	CHECK(take() == 5);
	CHECK(vmgen_write(&g, e, out[1], "hello", 5) == 5 && take() == 5);
}

#if (defined(__x86_64__) || defined(__i386__)) && !defined(__SANITIZE_ADDRESS__) && \
	!defined(__SANITIZE_THREAD__)

/* The branch and the system call.  Elsewhere, a call of a function of the C library. */
#if defined(__x86_64__) && defined(__LP64__)
#define WINDOW_MAX	2
#define WINDOW_MIN	2
#else
#define WINDOW_MAX	60
#define WINDOW_MIN	1
#endif

static void child(vmgen_epoch (*epoch)(void), bool checked)
{
	vmgen_epoch e = epoch();

	CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	raise(SIGSTOP);
	if (checked)
		(void)vmgen_write(&g, e, out[1], "hello", 5);
	else if (!vmgen_retry(&g, e))
		CHECK(write(out[1], "hello", 5) == 5);
	_exit(0);
}

/* False if the child has ended. */
static bool resume(pid_t pid, int request)
{
	int status;

	CHECK(ptrace(request, pid, NULL, NULL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFSTOPPED(status))
		return true;
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return false;
}

/* Restored after @steps: 1 if it was written all the same; -1 if it was out before. */
static int restored_after(int steps, bool checked)
{
	pid_t pid = fork();
	int status, before;

	if (pid == 0)
		child(begin, checked);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	while (steps--)
		CHECK(resume(pid, PTRACE_SINGLESTEP));
	before = take();
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(!resume(pid, PTRACE_CONT));
	return before ? -1 : take() != 0;
}

/* At how many instructions in a row up to the system call? */
static int window(bool checked)
{
	int steps, r, points = 0, last = 0;

	for (steps = 0; (r = restored_after(steps, checked)) >= 0; steps++) {
		points += r;
		last = r;
	}
	printf("%s: %d of %d points\n", checked ? "vmgen_write()" : "retry, then write()",
	       points, steps);
	CHECK(steps > 0 && last);
	return points;
}

static void stepped(void)
{
	int bare, ours;

	if (getenv("WRAPPER") && *getenv("WRAPPER"))
		skip("cannot be stepped under another program");
	bare = window(false);
	ours = window(true);
	CHECK(ours >= WINDOW_MIN && ours <= WINDOW_MAX);
	CHECK(bare > WINDOW_MIN);
}
#else
static void stepped(void)
{
}
#endif

int main(void)
{
	fd = counter(0);
	CHECK(pipe(out) == 0);
	only_in_its_epoch();
	as_write_does();
	interrupted();
	forked();
	stepped();
	return 0;
}
