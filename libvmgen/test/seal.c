/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A sealed process may do nothing but read, write and exit, and dies of anything else.
 * All of the library works in it, whatever happens to the machine, until there is no
 * record left: then every check is a change, and the status says so.
 *
 * What happens to the machine is done by the parent.
 */
#include <pthread.h>

#include "../src/lib.h"
#include "obeyed.h"

#define RECORDS	(VMGEN_PAIRS * VMGEN_PAGE_RECORDS)

static vmgen_guard g = VMGEN_GUARD_INIT;
static vmgen_once once = VMGEN_ONCE_INIT;
static int out[2];
static int reseeds;

static int reseed(void *ctx)
{
	(void)ctx;
	reseeds++;
	return 0;
}

static void is_out(ssize_t wanted)
{
	char buf[8];

	CHECK(read(out[0], buf, sizeof(buf)) == wanted);
}

static void everything_works(bool software, unsigned int reason)
{
	vmgen_epoch e, shared;
	struct vmgen_info info;

	/* In software mode the page lags until somebody asks. */
	CHECK(vmgen_sync(&info) == 0);
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	CHECK(vmgen_changed(&g) && vmgen_reason(&g) == reason);
	CHECK(!vmgen_changed(&g));
	reseeds = 0;
	shared = vmgen_once_begin(&once, reseed, NULL);
	CHECK(shared != 0 && reseeds == 1);
	CHECK(vmgen_once_begin(&once, reseed, NULL) == shared && reseeds == 1);
	e = vmgen_begin(&g, reseed, NULL);
	CHECK(e != 0 && reseeds == 1);
	CHECK(vmgen_write(&g, e, out[1], "hello", 5) == 5);
	is_out(5);
	let('b');
	CHECK(!software || vmgen_sync(NULL) == 0);
	CHECK(vmgen_retry(&g, e) && vmgen_once_retry(&once, shared));
	CHECK(vmgen_write(&g, e, out[1], "hello", 5) == -ESTALE);
}

static void what_is_broken(void)
{
	let('g');
	CHECK(vmgen_status() == VMGEN_BROKEN);
	CHECK(vmgen_changed(&g) && vmgen_changed(&g));
	let('w');
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	CHECK(vmgen_changed(&g) && !vmgen_changed(&g));
}

/* Nothing is ever taken for unchanged that was not checked. */
static void until_no_record_is_left(void)
{
	vmgen_guard asleep = g;
	int i;

	for (i = 0; i <= RECORDS && vmgen_sync(NULL) == 0; i++) {
		let('r');
		CHECK(vmgen_changed(&g));
	}
	CHECK(i > RECORDS / 2 && i <= RECORDS);
	CHECK(vmgen_sync(NULL) == -ENOSPC && vmgen_status() == VMGEN_BROKEN);
	for (i = 0; i < 3; i++) {
		CHECK(vmgen_changed(&g) && vmgen_changed(&asleep));
		reseeds = 0;
		CHECK(vmgen_begin(&g, reseed, NULL) != 0 && reseeds == 1);
		CHECK(vmgen_once_begin(&once, reseed, NULL) != 0 && reseeds == 2);
		let('b');
	}
	CHECK(vmgen_status() == VMGEN_BROKEN);
}

static const unsigned int calls[] = { SYS_read, SYS_write, SYS_exit, SYS_exit_group };

static void sandboxed(unsigned int flags)
{
	bool software = flags & VMGEN_TEST_SOFTWARE;
	int i;

	close(to_parent[0]);
	CHECK(vmgen_seal() == 0);
	enter_sandbox(calls, 4);
	CHECK(vmgen_seal() == 0);
	everything_works(software, VMGEN_REASON_FIRST);
	for (i = 0; i < 5; i++)
		everything_works(software, VMGEN_REASON_RESTORE);
	if (!(flags & VMGEN_TEST_SYSGENID))
		what_is_broken();
	until_no_record_is_left();
	_exit(0);
}

/* Several threads, who have nothing to sleep on while one of them reseeds. */
#define THREADS	3
static int started, round_of, finished;

static int wait_for(const int *value, int wanted)
{
	while (__atomic_load_n(value, __ATOMIC_SEQ_CST) < wanted)
		;
	return wanted;
}

static int reseed_slowly(void *ctx)
{
	volatile int i;

	(void)ctx;
	for (i = 0; i < 100000; i++)
		;
	__atomic_add_fetch(&reseeds, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void *one_of_several(void *arg)
{
	vmgen_epoch e;
	int i;

	__atomic_add_fetch(&started, 1, __ATOMIC_SEQ_CST);
	for (i = 1; ; i++) {
		wait_for(&round_of, i);
		e = vmgen_once_begin(&once, reseed_slowly, NULL);
		CHECK(e != 0 && !vmgen_once_retry(&once, e));
		__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
	}
	return arg;
}

static void sandboxed_threads(unsigned int flags)
{
	pthread_t threads[THREADS];
	int i;

	(void)flags;
	close(to_parent[0]);
	for (i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, one_of_several, NULL));
	wait_for(&started, THREADS);
	CHECK(vmgen_seal() == 0);
	enter_sandbox(calls, 4);
	for (i = 1; i <= 20; i++) {
		let('b');
		__atomic_store_n(&round_of, i, __ATOMIC_SEQ_CST);
		wait_for(&finished, i * THREADS);
		CHECK(reseeds == i);
	}
	_exit(0);
}

static void with(unsigned int flags, void (*child)(unsigned int flags))
{
	int fd = counter(flags);
	pid_t pid;

	CHECK(pipe(to_parent) == 0 && pipe(to_child) == 0 && pipe(out) == 0);
	pid = fork();
	if (pid == 0)
		child(flags);
	close(to_parent[1]);
	serve(fd);
	reap_sandbox(pid);
	CHECK(flags & (VMGEN_TEST_VMCLOCK | VMGEN_TEST_SYSGENID) || vmgen_test_reads(fd) > 1);
	close(fd);
	close(to_parent[0]);
	close(to_child[0]);
	close(to_child[1]);
	close(out[0]);
	close(out[1]);
}

/* No counter is nothing that would have to be opened later, either. */
static void without_a_counter(void)
{
	int fd = vmgen_test_create(0);
	pid_t pid;

	CHECK(fd >= 0);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_test_install(fd) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(vmgen_seal() == 0);
		enter_sandbox(calls, 4);
		CHECK(vmgen_changed(&g) && !vmgen_changed(&g));
		CHECK(vmgen_status() == VMGEN_ABSENT);
		_exit(0);
	}
	reap_sandbox(pid);
}

/* The real one, where there is one, and where nobody else restores the machine. */
static void with_the_device(void)
{
	struct vmgen_info info;
	pid_t pid;

	if (access("/dev/vmgenctr", R_OK) < 0)
		return;
	CHECK(vmgen_test_install(-1) == 0);
	pid = fork();
	if (pid == 0) {
		vmgen_guard_init(&g);
		CHECK(vmgen_seal() == 0);
		enter_sandbox(calls, 4);
		CHECK(vmgen_sync(&info) == 0 && info.backend == VMGEN_BACKEND_VMGENCTR);
		CHECK(vmgen_changed(&g) && !vmgen_changed(&g));
		CHECK(vmgen_once_begin(&once, reseed, NULL) != 0);
		CHECK(vmgen_status() == VMGEN_ACTIVE);
		_exit(0);
	}
	reap_sandbox(pid);
}

int main(void)
{
	need_sandbox();
	with(0, sandboxed);
	with(VMGEN_TEST_SOFTWARE, sandboxed);
	with(VMGEN_TEST_VMCLOCK, sandboxed);
	with(VMGEN_TEST_SYSGENID, sandboxed);
	with(0, sandboxed_threads);
	without_a_counter();
	with_the_device();
	return 0;
}
