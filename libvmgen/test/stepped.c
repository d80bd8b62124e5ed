/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * At which instructions does a restore still let an output of the old state out?
 *
 * A child is stepped through a section by ptrace.  For every k it is stopped after k
 * instructions, the generation is changed under it as a restore would, and it runs on.
 * What it then hands out is of a state that was reseeded after the change, or nothing,
 * or the very output that it hands out without a change: a duplicate, for a sibling
 * restored from there hands out the same.
 *
 * Which instruction loads the live generation last is found in another way: the page
 * is made unreadable, and the instruction that cannot go on is the one.  From there the
 * expected ranges follow, exactly.  Guarded, the duplicates are the points between that
 * load and the point of no return, and at each of them the state has left the old
 * output behind; checked first, they are all that follow the check; published along
 * with its generation, what comes behind the load is lost, and nothing is duplicated.
 *
 * The controls must be caught, else this test sees nothing: without a change every
 * point duplicates, and a state that is stored too late is seen to be.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
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
#define SP(regs) ((regs).rsp)
#define NR(regs) ((regs).orig_rax)
#else
#define PC(regs) ((regs).eip)
#define SP(regs) ((regs).esp)
#define NR(regs) ((regs).orig_eax)
#endif

#define STEPS_MAX	(1 << 16)
/* Of a long way to the last load every so many points are tried, unless STEP_ALL is set. */
#define STRIDE		23
#define LONG_WAY	500

#define STOP_HERE()	__asm__ __volatile__("int3" : : : "memory")
#define BREAKPOINT	0xcc

/* Where a section leaves its output: what is in the slot has to be accepted, too. */
static struct { vmgen_slot slot; uint32_t value; } *out;
static uint32_t state[4];
static vmgen_guard guard = VMGEN_GUARD_INIT;
static const vmgen_word *live;
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

/* --- Sections; in all but one, the store to out->value is the point of no return --- */

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

static __attribute__((noinline)) void committed(void)
{
	uint32_t value;
	vmgen_epoch e;

	do {
		e = vmgen_begin(&guard, reseed, NULL);
		if (!e)
			return;
		value = produce();
	} while (vmgen_commit(&guard, e, &out->slot, value) == -ESTALE);
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

static __attribute__((noinline)) void filled(void)
{
	uint32_t value;

	if (vmgen_getrandom(&value, sizeof(value), 0) == 0)
		out->value = value;
}

/* --- The child, and how it is driven --- */

struct section {
	const char *name;
	void (*run)(void);
	bool stale;		/* begins with a change that it has yet to see */
	bool tail;		/* only what is behind the load is of interest */
	bool kernel;		/* its output is the kernel's */
};

static void child(const struct section *s)
{
	CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
	if (vmgen_changed(&guard))
		reseed(NULL);
	if (s->stale)
		CHECK(vmgen_test_bump(fd) == 0);
	STOP_HERE();
	s->run();
	STOP_HERE();
	_exit(0);
}

static int wait_stop(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSTOPPED(status));
	return WSTOPSIG(status);
}

static void cont(pid_t pid)
{
	CHECK(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
}

static pid_t start(const struct section *s)
{
	pid_t pid;

	memset(out, 0, sizeof(*out));
	CHECK(vmgen_test_set(fd, 1) == 0);
	CHECK(vmgen_test_ready(fd) == 0);
	pid = fork();
	if (pid == 0)
		child(s);
	CHECK(wait_stop(pid) == SIGTRAP);
	return pid;
}

static struct user_regs_struct get_regs(pid_t pid)
{
	struct user_regs_struct regs;

	CHECK(ptrace(PTRACE_GETREGS, pid, NULL, &regs) == 0);
	return regs;
}

/*
 * Not stepped any more, to the end of the section and of the child.  Does the kernel make
 * random bytes for it on the way?
 */
static bool finish(pid_t pid)
{
	struct user_regs_struct regs;
	bool fetched = false;

	CHECK(ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_TRACESYSGOOD) == 0);
	for (;;) {
		CHECK(ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0);
		if (wait_stop(pid) == SIGTRAP)
			break;
		regs = get_regs(pid);
		fetched |= NR(regs) == SYS_getrandom;
	}
	cont(pid);
	reap(pid);
	return fetched;
}

static long peek(pid_t pid, const void *addr)
{
	errno = 0;
	long word = ptrace(PTRACE_PEEKDATA, pid, addr, NULL);

	CHECK(errno == 0);
	return word;
}

static uintptr_t pc(pid_t pid)
{
	struct user_regs_struct regs = get_regs(pid);

	return (uintptr_t)PC(regs);
}

static bool at_breakpoint(pid_t pid)
{
	return (peek(pid, (const void *)pc(pid)) & 0xff) == BREAKPOINT;
}

/* The signal that it stops with: SIGTRAP, unless the instruction could not be executed. */
static int step(pid_t pid)
{
	CHECK(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0);
	return wait_stop(pid);
}

/* --- To be there after so many instructions --- */

/* Where each instruction of the section is, in the order in which they are executed. */
static uintptr_t trace[STEPS_MAX];

static int step_to_the_end(pid_t pid)
{
	int steps;

	for (steps = 0; !at_breakpoint(pid); steps++) {
		CHECK(steps < STEPS_MAX);
		trace[steps] = pc(pid);
		CHECK(step(pid) == SIGTRAP);
	}
	return steps;
}

/* A string instruction is stepped once for each time it repeats itself. */
static bool repeats(int k)
{
	return k > 0 && trace[k] == trace[k - 1];
}

static void poke(pid_t pid, uintptr_t addr, long word)
{
	CHECK(ptrace(PTRACE_POKETEXT, pid, (void *)addr, (void *)word) == 0);
}

static void set_pc(pid_t pid, uintptr_t addr)
{
	struct user_regs_struct regs = get_regs(pid);

	PC(regs) = addr;
	CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0);
}

/* Run to the next time that it gets there, which may be where it is. */
static void run_to(pid_t pid, uintptr_t addr)
{
	long word = peek(pid, (const void *)addr);

	poke(pid, addr, (word & ~0xffl) | BREAKPOINT);
	cont(pid);
	CHECK(wait_stop(pid) == SIGTRAP);
	poke(pid, addr, word);
	set_pc(pid, addr);
}

/*
 * It is enough to count how often it has been at the instruction that comes next: what
 * it does until the generation changes is the same each time.
 */
static void go_to(pid_t pid, int steps)
{
	int last = steps, i;

	while (repeats(last))
		last--;
	for (i = 0; i <= last; i++) {
		if (trace[i] != trace[steps] || repeats(i))
			continue;
		run_to(pid, trace[i]);
		if (i < last)
			CHECK(step(pid) == SIGTRAP);
	}
	for (; last < steps; last++)
		CHECK(step(pid) == SIGTRAP);
}

/* --- Which instruction loads the live generation last? --- */

static void protect(int prot)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);

	CHECK(mprotect((void *)((uintptr_t)live & ~(size - 1)), size, prot) == 0);
	STOP_HERE();
}

static void hide(void)
{
	protect(PROT_NONE);
}

static void show(void)
{
	protect(PROT_READ);
}

/* The child calls it wherever it is, and is then where it was. */
static void call(pid_t pid, void (*function)(void))
{
	struct user_regs_struct before = get_regs(pid), regs = before;

	/* Below what a leaf function keeps there, and as the ABI wants it on entry. */
	SP(regs) = ((SP(regs) - 1024) & ~15ul) - sizeof(long);
	PC(regs) = (uintptr_t)function;
	CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0);
	cont(pid);
	CHECK(wait_stop(pid) == SIGTRAP);
	CHECK(ptrace(PTRACE_SETREGS, pid, NULL, &before) == 0);
}

static bool touched_live(pid_t pid)
{
	siginfo_t info;

	CHECK(ptrace(PTRACE_GETSIGINFO, pid, NULL, &info) == 0);
	return (uintptr_t)info.si_addr - (uintptr_t)live < sizeof(*live);
}

/* How many instructions come before it? */
static int last_load(const struct section *s)
{
	pid_t pid = start(s);
	int steps, last = -1;

	call(pid, hide);
	for (steps = 0; !at_breakpoint(pid); steps++) {
		if (step(pid) == SIGTRAP)
			continue;
		if (touched_live(pid))
			last = steps;
		call(pid, show);
		CHECK(step(pid) == SIGTRAP);
		call(pid, hide);
	}
	call(pid, show);
	finish(pid);
	CHECK(last >= 0);
	return last;
}

/* --- A change at a point, and what comes of it --- */

enum change {
	NO_CHANGE,
	RESTORE,
	RESTORE_AND_COMMIT	/* and the new generation is faster */
};

#define NEWER	0xabcd

struct run {
	bool released;		/* the value was out by then */
	uint32_t value;		/* what was handed out in the end */
	uint32_t state[4];	/* at the time of the change */
};

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

static void change(enum change what)
{
	struct vmgen_info info;

	if (what == NO_CHANGE)
		return;
	CHECK(vmgen_test_bump(fd) == 0);
	if (what == RESTORE)
		return;
	CHECK(vmgen_sync(&info) == 0);
	out->slot = (vmgen_slot){ info.generation + 1, NEWER };
}

/* Outside of the machine, its generation is known. */
static uint32_t handed_out(void)
{
	struct vmgen_info info;

	if (out->value)
		return out->value;
	CHECK(vmgen_sync(&info) == 0);
	return out->slot.tag == info.generation + 1 ? (uint32_t)out->slot.value : 0;
}

/*
 * The kernel is not restored along with the process, and its bytes are never the same:
 * they are old if none were made after the change.
 */
#define OLD_BYTES	1
#define NEW_BYTES	2

static struct run conclude(const struct section *s, pid_t pid, enum change what)
{
	struct run run;
	bool fetched;

	look(pid, &run);
	change(what);
	fetched = finish(pid);
	run.value = handed_out();
	if (s->kernel && run.value)
		run.value = fetched ? NEW_BYTES : OLD_BYTES;
	return run;
}

static struct run try(const struct section *s, int steps, enum change what)
{
	pid_t pid = start(s);

	go_to(pid, steps);
	return conclude(s, pid, what);
}

/* Without a change; and what the other runs are compared with. */
static struct run plain_run(const struct section *s, int *ret_steps)
{
	pid_t pid = start(s);

	*ret_steps = step_to_the_end(pid);
	return conclude(s, pid, NO_CHANGE);
}

/* --- All points --- */

struct range {
	int n, first, last;
};

struct verdict {
	int load;		/* the instruction that loads the generation last */
	int points;		/* up to the last one before the value was out */
	struct range duplicate;	/* the old output was handed out again */
	struct range lost;	/* nothing was handed out */
	int behind;		/* duplicates at which the state was not yet advanced */
};

static void add(struct range *r, int k)
{
	if (!r->n++)
		r->first = k;
	r->last = k;
}

static int next_point(int k, int load)
{
	bool all = load < LONG_WAY || k + STRIDE >= load || getenv("STEP_ALL");

	return all ? k + 1 : k + STRIDE;
}

static void judge_point(const struct section *s, int k, const struct run *plain,
			const struct run *run, struct verdict *v)
{
	/* The control, which makes a duplicate of every point. */
	CHECK(s->kernel || try(s, k, NO_CHANGE).value == plain->value);
	v->points = k + 1;
	if (!run->value)
		add(&v->lost, k);
	if (run->value != plain->value)
		return;
	add(&v->duplicate, k);
	v->behind += memcmp(run->state, plain->state, sizeof(state)) != 0;
}

static struct verdict judge(const struct section *s)
{
	struct verdict v = { .load = last_load(s) };
	struct run plain, fresh, run;
	int k, steps;

	plain = plain_run(s, &steps);
	fresh = try(s, 0, RESTORE);
	CHECK(plain.value && fresh.value && plain.value != fresh.value);
	for (k = s->tail ? v.load : 0; k < steps; k = next_point(k, v.load)) {
		run = try(s, k, RESTORE);
		if (run.released)
			break;
		CHECK(!run.value || run.value == plain.value || run.value == fresh.value);
		judge_point(s, k, &plain, &run, &v);
	}
	return v;
}

static void print_range(const char *what, const struct range *r)
{
	printf("  %s %4d", what, r->n);
	if (r->n)
		printf(" (%d to %d)", r->first, r->last);
}

static struct verdict report(const struct section *s)
{
	struct verdict v = judge(s);

	printf("%-12s %4d points, generation loaded by %4d", s->name, v.points, v.load);
	print_range("duplicate", &v.duplicate);
	print_range("lost", &v.lost);
	if (v.behind)
		printf("  state behind %d", v.behind);
	printf("\n");
	fflush(stdout);
	return v;
}

/* From the very instruction that follows the load, and without a gap. */
static bool all_behind_the_load(const struct verdict *v, const struct range *r)
{
	return r->first == v->load + 1 && r->last == v->points - 1 &&
	       r->n == r->last - r->first + 1;
}

static void check_guarded(const struct section *s)
{
	struct verdict v = report(s);

	CHECK(all_behind_the_load(&v, &v.duplicate));
	CHECK(v.lost.n == 0);
	CHECK(v.behind == 0);
}

static void check_naive(const struct section *s)
{
	struct verdict v = report(s);

	CHECK(all_behind_the_load(&v, &v.duplicate));
	CHECK(v.lost.n == 0);
	/* The check is a few instructions, and the rest is what it is meant to protect. */
	CHECK(3 * v.duplicate.n > 2 * v.points);
}

static void check_late(const struct section *s)
{
	struct verdict v = report(s);

	CHECK(v.behind > 0);
}

/*
 * What the compiler makes of it is for it to choose: some keep the order, some leave the
 * state behind, and the linker of clang moves the load up to that of vmgen_begin(), where
 * most of the section is behind it.  Whatever it is, what is behind the load is handed out
 * again; and a load that comes early shows by a state that was left behind, which is what
 * check_guarded() goes by.  32 bits load the generation in two halves, and either may be
 * the one that tells.
 */
static void check_unfenced(const struct section *s)
{
	struct verdict v = report(s);

	if (sizeof(long) < sizeof(*live) && v.duplicate.first == v.load)
		v.load--;
	CHECK(all_behind_the_load(&v, &v.duplicate));
	CHECK(v.lost.n == 0);
	CHECK(3 * v.duplicate.n < v.points || v.behind > 0);
}

static void check_committed(const struct section *s)
{
	struct verdict v = report(s);
	int k;

	CHECK(v.duplicate.n == 0);
	CHECK(all_behind_the_load(&v, &v.lost));
	/* Late as it may be, it does not replace what is newer. */
	for (k = v.load; k < v.points; k++)
		CHECK(try(s, k, RESTORE_AND_COMMIT).value == NEWER);
}

/* Not with 32 bits: then there is nothing to step through. */
static bool can_commit(void)
{
	vmgen_slot s = VMGEN_SLOT_INIT;

	return vmgen_commit(NULL, (uintptr_t)guard.epoch, &s, 1) != -EOPNOTSUPP;
}

int main(void)
{
	if (getenv("WRAPPER") && *getenv("WRAPPER"))
		skip("cannot be stepped under another program");
	fd = counter(0);
	out = mmap(NULL, sizeof(*out), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(out != MAP_FAILED);
	(void)vmgen_changed(&guard);
	live = vmgen_live_word(guard.epoch);

	check_naive(&(struct section){ .name = "check first", .run = check_first });
	check_late(&(struct section){ .name = "stored late", .run = stored_late, .tail = true });
	check_unfenced(&(struct section){ .name = "unfenced", .run = unfenced, .tail = true });
	check_guarded(&(struct section){ .name = "guarded", .run = guarded });
	if (can_commit())
		check_committed(&(struct section){ .name = "committed", .run = committed });
	check_guarded(&(struct section){ .name = "from stale", .run = guarded, .stale = true });
	check_guarded(&(struct section){ .name = "filled", .run = filled, .kernel = true });
	return 0;
}
#endif
