/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * At which instructions does a restore still let an output of the old state out?
 *
 * A child is stepped through a guarded section by ptrace.  For every k it is stopped
 * after k instructions, the generation is changed under it as a restore would, and
 * it runs on.  What it then hands out is either of a state that was reseeded after
 * the change, or the very output that it hands out without one: a duplicate, for a
 * sibling restored from there hands out the same.
 *
 * Guarded, the duplicates must be the few instructions between the load in
 * vmgen_retry() and the point of no return, and at each of them the state must have
 * left the old output behind.  So too when the section begins with a change that it
 * has yet to see, and the way leads through the library.
 *
 * The controls, one that checks before it produces and one that stores its state too
 * late, must be caught, else this test sees nothing.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "test.h"

#if !defined(__x86_64__) && !defined(__i386__)
int main(void)
{
	skip("steps x86 only");
}
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
int main(void)
{
	skip("a sanitizer's own instructions are in the way");
}
#else

#ifdef __x86_64__
#define PC(regs) ((regs).rip)
#else
#define PC(regs) ((unsigned long)(regs).eip)
#endif

/* The load, the arithmetic and the branch of the check, and the store behind it. */
#if defined(__OPTIMIZE__) && defined(__x86_64__)
#define WINDOW_MAX	10
#else
#define WINDOW_MAX	24
#endif
#define TO_THE_END	(-1)
/* Of a long section only every so many points are tried, unless STEP_ALL is set. */
#define CLOSE_TO_END	40
#define STRIDE		23

#define STOP_HERE()	__asm__ __volatile__("int3" : : : "memory")
#define BREAKPOINT	0xcc

static struct { uint32_t value; } *out;
static uint32_t state[4];
static vmgen_guard guard = VMGEN_GUARD_INIT;
static int fd;

static uint32_t rotate(uint32_t v, int n)
{
	return v << n | v >> (32 - n);
}

/* xoshiro128**: short, it writes its whole state, and no type is that of the counter. */
static inline uint32_t produce(void)
{
	uint32_t result = rotate(state[1] * 5, 7) * 9, t = state[1] << 9;

	state[2] ^= state[0];
	state[3] ^= state[1];
	state[1] ^= state[2];
	state[0] ^= state[3];
	state[2] ^= t;
	state[3] = rotate(state[3], 11);
	return result;
}

/* Equal in equal generations, so that outputs tell which state they come from. */
static int reseed(void *ctx)
{
	struct vmgen_info info;
	int i;

	(void)ctx;
	CHECK(vmgen_sync(&info) == 0);
	for (i = 0; i < 4; i++)
		state[i] = ((uint32_t)info.generation + (uint32_t)i) * 0x9e3779b9;
	return 0;
}

/* In all of them, the store to out->value is the point of no return. */

static __attribute__((noinline)) void guarded(void)
{
	uint32_t value;
	vmgen_epoch e;

	do {
		e = vmgen_begin(&guard, reseed, NULL);
		if (!e)
			return;
		value = produce();
	} while (vmgen_retry(&guard, e));
	out->value = value;
}

static __attribute__((noinline)) void check_first(void)
{
	if (vmgen_changed(&guard))
		reseed(NULL);
	out->value = produce();
}

/* What a compiler may make of a section without barriers: the state is stored late. */
static __attribute__((noinline)) void stored_late(void)
{
	uint32_t value, before[4], after[4];
	vmgen_epoch e;

	do {
		e = vmgen_begin(&guard, reseed, NULL);
		memcpy(before, state, sizeof(state));
		value = produce();
		memcpy(after, state, sizeof(state));
		memcpy(state, before, sizeof(state));
	} while (vmgen_retry(&guard, e));
	memcpy(state, after, sizeof(state));
	out->value = value;
}

/* vmgen_retry() as one would write it who has not thought of the compiler. */
static __attribute__((noinline)) void unfenced(void)
{
	const vmgen_word *record;
	uint32_t value;

	do {
		record = (const vmgen_word *)(uintptr_t)vmgen_begin(&guard, reseed, NULL);
		value = produce();
	} while (*vmgen_live_word(record) + 1 != *record);
	out->value = value;
}

struct run {
	int steps;		/* taken before the change */
	bool released;		/* the value was out by then */
	uint32_t value;		/* what was handed out in the end */
	uint32_t state[4];	/* at the time of the change */
};

/* With @stale, the section begins with a change that it has yet to see. */
static void child(void (*section)(void), bool stale)
{
	CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	if (vmgen_changed(&guard))
		reseed(NULL);
	if (stale)
		CHECK(vmgen_test_bump(fd) == 0);
	STOP_HERE();
	section();
	STOP_HERE();
	_exit(0);
}

static void wait_trap(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
}

static void cont(pid_t pid)
{
	CHECK(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
}

static long peek(pid_t pid, const void *addr)
{
	errno = 0;
	long word = ptrace(PTRACE_PEEKDATA, pid, addr, NULL);

	CHECK(errno == 0);
	return word;
}

static bool at_breakpoint(pid_t pid)
{
	struct user_regs_struct regs;

	CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0);
	return (peek(pid, (const void *)(uintptr_t)PC(regs)) & 0xff) == BREAKPOINT;
}

static void step(pid_t pid)
{
	CHECK(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
	wait_trap(pid);
}

static int step_to_the_end(pid_t pid)
{
	int steps;

	for (steps = 0; !at_breakpoint(pid); steps++)
		step(pid);
	return steps;
}

static void look(pid_t pid, struct run *run)
{
	size_t i;
	long word;

	for (i = 0; i < sizeof(state); i += sizeof(word)) {
		word = peek(pid, (const char *)state + i);
		memcpy((char *)run->state + i, &word, sizeof(word));
	}
	run->released = out->value != 0;
}

/* Change the generation after this many steps, unless @bump is false. */
static struct run try(void (*section)(void), bool stale, int steps, bool bump)
{
	struct run run;
	pid_t pid;
	int k;

	out->value = 0;
	CHECK(vmgen_test_set(fd, 1) == 0);
	CHECK(vmgen_test_ready(fd) == 0);
	pid = fork();
	if (pid == 0)
		child(section, stale);
	wait_trap(pid);
	if (steps == TO_THE_END)
		steps = step_to_the_end(pid);
	else
		for (k = 0; k < steps; k++)
			step(pid);
	run.steps = steps;
	look(pid, &run);
	if (bump)
		CHECK(vmgen_test_bump(fd) == 0);
	cont(pid);
	wait_trap(pid);
	cont(pid);
	reap(pid);
	run.value = out->value;
	return run;
}

struct verdict {
	int points;		/* up to the last one before the value was out */
	int tried;		/* of these */
	int duplicates;
	int first, last;	/* duplicate */
	int behind;		/* duplicates at which the state was not yet advanced */
};

static int next_point(int k, int steps)
{
	return getenv("STEP_ALL") || k + STRIDE + CLOSE_TO_END > steps ? 1 : STRIDE;
}

static struct verdict judge(void (*section)(void), bool stale)
{
	const struct run plain = try(section, stale, TO_THE_END, false);
	struct verdict v = { .first = -1, .last = -1 };
	struct run run;
	int k;

	CHECK(plain.released);
	for (k = 0; k < plain.steps; k += next_point(k, plain.steps)) {
		run = try(section, stale, k, true);
		if (run.released)
			break;
		v.points = k + 1;
		v.tried++;
		if (run.value != plain.value)
			continue;
		v.duplicates++;
		v.first = v.first < 0 ? k : v.first;
		v.last = k;
		v.behind += memcmp(run.state, plain.state, sizeof(state)) != 0;
	}
	return v;
}

static struct verdict report(const char *name, void (*section)(void), bool stale)
{
	struct verdict v = judge(section, stale);

	printf("%-12s %4d of %4d points duplicate", name, v.duplicates, v.points);
	if (v.duplicates)
		printf(" (%d to %d)", v.first, v.last);
	if (v.behind)
		printf(", at %d of them the state was behind", v.behind);
	printf("\n");
	fflush(stdout);
	return v;
}

/* Without a change, stopping at a point is not seen. */
static void stepping_changes_nothing(void)
{
	uint32_t value = try(guarded, false, 0, false).value;

	CHECK(value != 0);
	CHECK(try(guarded, false, 5, false).value == value);
	CHECK(try(guarded, false, TO_THE_END, false).value == value);
	CHECK(try(guarded, false, 0, true).value != value);
}

static void only_behind_the_check(struct verdict v)
{
	CHECK(v.duplicates >= 1);
	CHECK(v.last == v.points - 1);
	CHECK(v.duplicates == v.last - v.first + 1);
	CHECK(v.duplicates <= WINDOW_MAX);
	CHECK(v.behind == 0);
}

/* Any argument: only what is inline, which differs between builds. */
int main(int argc, char **argv)
{
	struct verdict v;

	(void)argv;

	if (getenv("WRAPPER") && *getenv("WRAPPER"))
		skip("cannot be stepped under another program");
	fd = counter(0);
	out = mmap(NULL, sizeof(*out), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(out != MAP_FAILED);
	stepping_changes_nothing();

	v = report("check first", check_first, false);
	CHECK(v.duplicates > v.tried / 2);
	v = report("stored late", stored_late, false);
	CHECK(v.behind > 0);
	report("unfenced", unfenced, false);

	only_behind_the_check(report("guarded", guarded, false));
	if (argc < 2)
		only_behind_the_check(report("from stale", guarded, true));
	return 0;
}
#endif
