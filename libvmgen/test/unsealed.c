/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A program that has a guard in a library of its own calls neither vmgen_open() nor
 * vmgen_seal() before it enters a sandbox.  Once a guard was used, before the fork or
 * the sandbox, guards make no system call but getrandom() and a read() of the counter:
 * whatever happens to the machine, the sandbox never kills the process.
 *
 * What happens to the machine is done by the parent.
 */
#include "../src/lib.h"
#include "obeyed.h"

#define RECORDS	(VMGEN_PAIRS * VMGEN_PAGE_RECORDS)

static const unsigned int calls[] = {
	SYS_read, SYS_write, SYS_exit, SYS_exit_group, SYS_getrandom
};

static vmgen_guard early = VMGEN_GUARD_INIT, late = VMGEN_GUARD_INIT;
static vmgen_once once = VMGEN_ONCE_INIT;
static int out[2];
static int reseeds;

static int reseed(void *ctx)
{
	(void)ctx;
	reseeds++;
	return 0;
}

static int reseed_from_kernel(void *ctx)
{
	reseeds++;
	return vmgen_getrandom(ctx, 32, VMGEN_UNVERIFIED);
}

/* Each function that has a slow way, each at least once on that way. */
static void use_guards(void)
{
	vmgen_guard new = VMGEN_GUARD_INIT;
	unsigned char bytes[32] = { 0 };
	vmgen_epoch e;

	CHECK(vmgen_getrandom(bytes, sizeof(bytes), VMGEN_UNVERIFIED) == 0);
	CHECK(memcmp(bytes, bytes + 1, sizeof(bytes) - 1) != 0);
	(void)vmgen_changed(&early);
	CHECK(vmgen_changed(&new) && vmgen_reason(&new) & VMGEN_REASON_FIRST);
	e = vmgen_begin(&late, reseed_from_kernel, bytes);
	CHECK(e != 0);
	if (!vmgen_retry(&late, e))
		CHECK(vmgen_write(&late, e, out[1], "hello", 5) == 5 &&
		      read(out[0], bytes, 8) == 5);
	e = vmgen_once_begin(&once, reseed_from_kernel, bytes);
	CHECK(e != 0);
	(void)vmgen_once_retry(&once, e);
}

/* Nothing has happened: what is current stays so. */
static void is_quiet(void)
{
	vmgen_epoch e;

	use_guards();
	CHECK(!vmgen_changed(&early) && !vmgen_changed(&late));
	reseeds = 0;
	e = vmgen_once_begin(&once, reseed, NULL);
	CHECK(e != 0 && reseeds == 0 && !vmgen_once_retry(&once, e));
}

static void enter(void)
{
	close(to_parent[0]);
	enter_sandbox(calls, 5);
}

/* The fork is a change, for guards that the parent has used and for those that it has not. */
static void after_fork(void)
{
	CHECK(vmgen_changed(&early) && !vmgen_changed(&early));
	reseeds = 0;
	CHECK(vmgen_begin(&late, reseed, NULL) != 0 && reseeds == 1);
	CHECK(vmgen_once_begin(&once, reseed, NULL) != 0 && reseeds == 2);
	is_quiet();
}

/* In software mode the page tells of it when a guard has asked the kernel. */
static void after_restore(char how)
{
	unsigned char byte;

	let(how);
	CHECK(vmgen_getrandom(&byte, 1, VMGEN_UNVERIFIED) == 0);
	CHECK(vmgen_changed(&early) && vmgen_reason(&early) == VMGEN_REASON_RESTORE);
	is_quiet();
}

/* What cannot be checked is a change each time, or, in an epoch that goes on, none. */
static void after_fault(char how)
{
	int i;

	let(how);
	use_guards();
	let('b');
	for (i = 0; i < 3; i++)
		use_guards();
	let('w');
	use_guards();
}

static void until_no_record_is_left(void)
{
	int i;

	for (i = 0; i < 2 * RECORDS; i++) {
		let('r');
		use_guards();
		CHECK(vmgen_changed(&early) || i < RECORDS);
	}
	CHECK(vmgen_changed(&early) && vmgen_changed(&early));
}

static void with_counter(const char *faults)
{
	enter();
	after_fork();
	after_restore('b');
	after_restore('r');
	after_restore('b');
	for (; *faults; faults++)
		after_fault(*faults);
	until_no_record_is_left();
	_exit(0);
}

static void without_counter(const char *faults)
{
	(void)faults;
	enter();
	after_fork();
	_exit(0);
}

/* --- Each kind of counter ------------------------------------------------------ */

/* What the parent has used by then. */
enum before { STATUS, ONE_GUARD, EVERYTHING };

static void use_before(enum before all)
{
	if (all == STATUS) {
		(void)vmgen_status();
		return;
	}
	CHECK(vmgen_changed(&early));
	if (all == ONE_GUARD)
		return;
	CHECK(vmgen_begin(&late, reseed, NULL) != 0);
	CHECK(vmgen_once_begin(&once, reseed, NULL) != 0);
}

static void try_one(int fd, enum before all, void (*child)(const char *faults), const char *faults)
{
	pid_t pid;

	vmgen_guard_init(&early);
	vmgen_guard_init(&late);
	vmgen_once_init(&once);
	use_before(all);
	CHECK(pipe(to_parent) == 0 && pipe(to_child) == 0 && pipe(out) == 0);
	pid = fork();
	if (pid == 0)
		child(faults);
	close(to_parent[1]);
	serve(fd);
	reap_sandbox(pid);
	close(to_parent[0]);
	close(to_child[0]);
	close(to_child[1]);
	close(out[0]);
	close(out[1]);
}

/* Each in a process that knows of no other counter. */
static void in_own(unsigned int flags, enum before all, const char *faults)
{
	pid_t pid = fork();

	if (pid == 0) {
		try_one(counter(flags), all, with_counter, faults);
		_exit(0);
	}
	reap_sandbox(pid);
}

static void absent(enum before all)
{
	pid_t pid = fork();
	int fd;

	if (pid == 0) {
		fd = vmgen_test_create(0);
		CHECK(fd >= 0 && vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
		CHECK(vmgen_test_install(fd) == 0);
		try_one(fd, all, without_counter, "");
		_exit(0);
	}
	reap_sandbox(pid);
}

/* Whatever this machine has: nothing was installed or opened, a guard looks first. */
static void this_machine(enum before all)
{
	pid_t pid = fork();

	if (pid == 0) {
		try_one(-1, all, without_counter, "");
		_exit(0);
	}
	reap_sandbox(pid);
}

int main(void)
{
	enum before all;

	need_sandbox();
	for (all = STATUS; all <= EVERYTHING; all++) {
		this_machine(all);
		absent(all);
		in_own(0, all, "gtkx");
		in_own(VMGEN_TEST_SOFTWARE, all, "gtkx");
		in_own(VMGEN_TEST_VMCLOCK, all, "gtx");
		in_own(VMGEN_TEST_SYSGENID, all, "x");
	}
	return 0;
}
