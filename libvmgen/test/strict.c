/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A strict guard hands out no epoch where there is a counter that cannot be checked, and
 * reseeds nothing for it.  Without a counter it is like any other, and so it is as soon as
 * the counter can be checked again.
 */
#include "test.h"

static vmgen_guard strict = VMGEN_GUARD_STRICT_INIT, lenient = VMGEN_GUARD_INIT;
static vmgen_once once = VMGEN_ONCE_STRICT_INIT;
static int reseeds;

static int reseed(void *ctx)
{
	(void)ctx;
	reseeds++;
	return 0;
}

static void refuses(void)
{
	int i;

	for (i = 0; i < 3; i++) {
		reseeds = 0;
		CHECK(vmgen_begin(&strict, reseed, NULL) == 0 && reseeds == 0);
		CHECK(vmgen_once_begin(&once, reseed, NULL) == 0 && reseeds == 0);
		CHECK(vmgen_changed(&strict));
		CHECK(vmgen_retry(&strict, 0));
		/* The control: any other guard is told to reseed, and goes on. */
		CHECK(vmgen_begin(&lenient, reseed, NULL) != 0 && reseeds == 1);
	}
}

static void works(void)
{
	vmgen_epoch e, shared;

	reseeds = 0;
	e = vmgen_begin(&strict, reseed, NULL);
	CHECK(e != 0 && reseeds == 1 && !vmgen_retry(&strict, e));
	shared = vmgen_once_begin(&once, reseed, NULL);
	CHECK(shared != 0 && reseeds == 2 && !vmgen_once_retry(&once, shared));
	CHECK(vmgen_begin(&strict, reseed, NULL) == e && reseeds == 2);
}

static void with_fault(int fd, enum vmgen_test_fault fault)
{
	works();
	CHECK(vmgen_test_fault(fd, fault) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	refuses();
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	works();
	CHECK(vmgen_test_bump(fd) == 0);
}

/* There is none any more: that is no counter which cannot be checked. */
static void vanishes(int fd)
{
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_begin(&strict, reseed, NULL) != 0);
	CHECK(vmgen_once_begin(&once, reseed, NULL) != 0);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
}

static void without_a_counter(int fd, enum vmgen_test_fault fault)
{
	CHECK(vmgen_test_fault(fd, fault) == 0);
	CHECK(vmgen_test_install(fd) == 0);
	works();
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(vmgen_test_install(fd) == 0);
}

static void made_at_run_time(void)
{
	vmgen_guard *g = malloc(sizeof(*g));
	vmgen_once *o = malloc(sizeof(*o));

	CHECK(g && o);
	vmgen_guard_init_strict(g);
	vmgen_once_init_strict(o);
	CHECK(g->flags == VMGEN_STRICT && g->epoch == vmgen_never);
	CHECK(o->guard.flags == VMGEN_STRICT && vmgen_begin(g, reseed, NULL) == 0);
	vmgen_guard_init(g);
	CHECK(vmgen_begin(g, reseed, NULL) != 0);
	free(g);
	free(o);
}

int main(void)
{
	int fd = counter(0);

	with_fault(fd, VMGEN_TEST_GARBAGE);
	with_fault(fd, VMGEN_TEST_WEDGE);
	with_fault(fd, VMGEN_TEST_SHORT);
	vanishes(fd);
	without_a_counter(fd, VMGEN_TEST_REMOVE);
	without_a_counter(fd, VMGEN_TEST_DENY);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_GARBAGE) == 0);
	made_at_run_time();
	return 0;
}
