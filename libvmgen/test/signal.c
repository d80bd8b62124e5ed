/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A handler uses the library at whatever point it interrupts it, the first opening
 * of the device included, and a reseed that is shared with what it interrupts.
 */
#include <signal.h>
#include <sys/time.h>

#include "test.h"

#define SIGNALS	2000

static vmgen_guard in_handler = VMGEN_GUARD_INIT;
static vmgen_guard in_main = VMGEN_GUARD_INIT;
static vmgen_once in_both = VMGEN_ONCE_INIT;
static volatile sig_atomic_t signals;
static int fd;

static int reseed(void *ctx)
{
	(void)ctx;
	errno = ENOTTY;
	return 0;
}

/* 0 where it interrupts the very thread that reseeds, instead of waiting for it. */
static void share(void)
{
	vmgen_epoch e = vmgen_once_begin(&in_both, reseed, NULL);

	CHECK(!e || !vmgen_once_retry(&in_both, e));
}

static void handler(int sig)
{
	unsigned char bytes[16];
	int saved = errno;
	vmgen_epoch e;

	(void)sig;
	signals++;
	if (signals % 16 == 0)
		CHECK(vmgen_test_bump(fd) == 0);
	errno = EXDEV;
	(void)vmgen_changed(&in_handler);
	CHECK(errno == EXDEV);
	CHECK(vmgen_sync(NULL) == 0);
	CHECK(vmgen_getrandom(bytes, sizeof(bytes), 0) == 0);
	CHECK(errno == EXDEV);
	share();
	e = vmgen_begin(&in_handler, reseed, NULL);
	CHECK(e != 0 && !vmgen_retry(&in_handler, e));
	errno = saved;
}

/* The first use of all finds things out by calls that fail. */
static void first_use(void)
{
	errno = EXDEV;
	CHECK(vmgen_changed(&in_handler));
	CHECK(errno == EXDEV);
}

/* The source is replaced all the time, so that handlers interrupt that too. */
static void main_loop(void)
{
	while (signals < SIGNALS) {
		vmgen_guard_init(&in_main);
		CHECK(vmgen_changed(&in_main));
		(void)vmgen_changed(&in_main);
		CHECK(vmgen_test_install(fd) == 0);
		/* The handler may restore the machine in between. */
		(void)vmgen_once_begin(&in_both, reseed, NULL);
	}
}

int main(void)
{
	struct itimerval every = { { 0, 100 }, { 0, 100 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction sa = { .sa_handler = handler };

	fd = counter(0);
	first_use();
	CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
	main_loop();
	CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
	(void)vmgen_changed(&in_main);
	CHECK(!vmgen_changed(&in_main));
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	return 0;
}
