/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A guard tells why it has changed: everything that has happened since it was last in
 * an epoch, be it one thing or several, and nothing that has not.
 */
#include "test.h"

#define FIRST	VMGEN_REASON_FIRST
#define RESTORE	VMGEN_REASON_RESTORE
#define FORK	VMGEN_REASON_FORK
#define UNKNOWN	VMGEN_REASON_UNKNOWN

static vmgen_guard g = VMGEN_GUARD_INIT;
static vmgen_guard asleep = VMGEN_GUARD_INIT;
static int fd, result, bumps;
static unsigned int inside;

static void changes(vmgen_guard *guard, unsigned int reason)
{
	CHECK(vmgen_changed(guard));
	if (vmgen_reason(guard) != reason)
		fprintf(stderr, "%x instead of %x\n", vmgen_reason(guard), reason);
	CHECK(vmgen_reason(guard) == reason);
}

static int reseed(void *ctx)
{
	inside = vmgen_reason(ctx);
	if (bumps > 0) {
		bumps--;
		CHECK(vmgen_test_bump(fd) == 0);
	}
	return result;
}

static void first_use(void)
{
	CHECK(vmgen_reason(&g) == 0);
	changes(&g, FIRST);
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_reason(&g) == FIRST);
	vmgen_guard_init(&g);
	CHECK(vmgen_reason(&g) == 0);
	changes(&g, FIRST);
	CHECK(vmgen_begin(&asleep, reseed, &asleep) != 0);
	CHECK(inside == FIRST && vmgen_reason(&asleep) == FIRST);
}

static void restore(void)
{
	CHECK(vmgen_test_bump(fd) == 0);
	changes(&g, RESTORE);
	CHECK(vmgen_test_bump(fd) == 0 && vmgen_test_bump(fd) == 0);
	changes(&g, RESTORE);
	changes(&asleep, RESTORE);
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_begin(&g, reseed, &g) != 0);
	CHECK(inside == RESTORE && vmgen_reason(&g) == RESTORE);
}

static void in_a_child(void (*look)(void), void (*parent)(void))
{
	pid_t pid;

	CHECK(!vmgen_changed(&g));
	pid = fork();
	if (pid == 0) {
		look();
		CHECK(!vmgen_changed(&g));
		_exit(0);
	}
	reap(pid);
	parent();
}

static void not_looked(void)
{
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_reason(&g) == FORK);
}

static void nothing(void)
{
	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_reason(&g) == RESTORE);
}

static void forked(void)
{
	changes(&g, FORK);
	CHECK(vmgen_begin(&asleep, reseed, &asleep) != 0);
	CHECK(inside == (FORK | RESTORE));
}

static void forked_again(void)
{
	changes(&g, FORK);
	changes(&asleep, FORK);
}

static void forked_twice(void)
{
	forked();
	in_a_child(forked_again, not_looked);
}

static void restored(void)
{
	changes(&g, RESTORE);
}

static void bump_and_look(void)
{
	CHECK(vmgen_test_bump(fd) == 0);
	changes(&g, FORK | RESTORE);
	changes(&asleep, FORK | RESTORE);
	CHECK(vmgen_test_bump(fd) == 0);
	changes(&g, RESTORE);
}

/* A child of a child, the one between never having looked. */
static void not_looking(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		changes(&g, FORK);
		_exit(0);
	}
	reap(pid);
	changes(&g, FORK);
}

/* What was seen and not yet made good is told again, with what came on top. */
static void reseed_failed(void)
{
	CHECK(vmgen_test_bump(fd) == 0);
	result = -EIO;
	CHECK(vmgen_begin(&g, reseed, &g) == 0 && inside == RESTORE);
	CHECK(vmgen_begin(&g, reseed, &g) == 0 && inside == RESTORE);
	CHECK(vmgen_reason(&g) == RESTORE);
	result = 0;
}

static void then_forked(void)
{
	CHECK(vmgen_begin(&g, reseed, &g) != 0);
	CHECK(inside == (FORK | RESTORE));
}

static void then_restored(void)
{
	vmgen_guard_init(&g);
	result = -EIO;
	CHECK(vmgen_begin(&g, reseed, &g) == 0 && inside == FIRST);
	CHECK(vmgen_test_bump(fd) == 0);
	result = 0;
	CHECK(vmgen_begin(&g, reseed, &g) != 0 && inside == (FIRST | RESTORE));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_begin(&g, reseed, &g) != 0 && inside == RESTORE);
}

static void failing(void)
{
	pid_t pid;

	reseed_failed();
	pid = fork();
	if (pid == 0) {
		then_forked();
		_exit(0);
	}
	reap(pid);
	CHECK(vmgen_begin(&g, reseed, &g) != 0 && inside == RESTORE);
	then_restored();
}

static void during_the_reseed(void)
{
	vmgen_guard_init(&g);
	bumps = 2;
	CHECK(vmgen_begin(&g, reseed, &g) != 0);
	CHECK(inside == (FIRST | RESTORE) && vmgen_reason(&g) == inside);
}

/* More changes than one frame has records: the last ones are as well known. */
static void many(void)
{
	int i;

	for (i = 0; i < 200; i++) {
		CHECK(vmgen_test_bump(fd) == 0);
		changes(&g, RESTORE);
	}
	changes(&asleep, RESTORE);
}

static void unchecked(enum vmgen_test_fault fault)
{
	vmgen_guard fresh = VMGEN_GUARD_INIT;

	CHECK(!vmgen_changed(&g));
	CHECK(vmgen_test_fault(fd, fault) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	changes(&g, UNKNOWN);
	changes(&g, UNKNOWN);
	changes(&fresh, FIRST | UNKNOWN);
	changes(&fresh, UNKNOWN);
	vmgen_guard_init(&fresh);
	CHECK(vmgen_begin(&fresh, reseed, &fresh) != 0 && inside == (FIRST | UNKNOWN));
	CHECK(vmgen_begin(&fresh, reseed, &fresh) != 0 && inside == UNKNOWN);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	changes(&g, UNKNOWN);
	CHECK(vmgen_test_bump(fd) == 0);
	changes(&g, RESTORE);
}

static void another_counter(void)
{
	int other = counter(0);

	changes(&g, UNKNOWN);
	CHECK(vmgen_test_bump(other) == 0);
	changes(&g, RESTORE);
	CHECK(vmgen_test_install(fd) == 0);
	changes(&g, UNKNOWN);
}

static void without_a_counter(void)
{
	vmgen_guard fresh = VMGEN_GUARD_INIT;

	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_test_install(fd) == 0);
	changes(&fresh, FIRST);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	changes(&fresh, UNKNOWN);
}

int main(void)
{
	struct vmgen_info info;

	fd = counter(0);
	first_use();
	restore();
	failing();
	during_the_reseed();
	many();
	unchecked(VMGEN_TEST_WEDGE);
	unchecked(VMGEN_TEST_GARBAGE);
	unchecked(VMGEN_TEST_REMOVE);
	another_counter();
	without_a_counter();

	CHECK(vmgen_sync(&info) == 0);
	if (!(info.flags & VMGEN_INFO_FORK))
		skip("no MADV_WIPEONFORK here");
	changes(&g, UNKNOWN);
	/* The same file, opened again: its generations can be compared. */
	changes(&asleep, RESTORE);
	CHECK(vmgen_test_bump(fd) == 0);
	restored();
	in_a_child(forked_twice, nothing);
	in_a_child(not_looking, nothing);
	in_a_child(bump_and_look, restored);
	return 0;
}
