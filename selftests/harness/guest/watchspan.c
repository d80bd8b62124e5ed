// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * watchspan [UID]: as that user, waits for changes with vmgen_watch_wait(), prints "watching", and then for
 * each change what its callbacks see: their order, the generation, and 16 bytes of
 * getrandom(), which differ between clones only if the kernel has reseeded before.
 * Ends at SIGTERM.
 *
 * watchspan sealed: looks all the time, and may do nothing but read, write and exit.
 */
#define _GNU_SOURCE
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include <vmgen.h>

#include "guest.h"

static void called(void *ctx, const struct vmgen_info *now)
{
	unsigned char random[16];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		die("getrandom");
	printf("%s %llu ", (const char *)ctx, (unsigned long long)now->generation);
	print_hex("random", random, sizeof(random));
}

static void told(vmgen_watch *watch, const struct vmgen_info *now)
{
	struct pollfd p = { .fd = vmgen_watch_fd(watch), .events = POLLIN };

	printf("generation %llu\n", (unsigned long long)now->generation);
	if (poll(&p, 1, 0) != 0)
		puts("error: still readable");
}

static void on_term(int signal)
{
	(void)signal;
}

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		syscall(SYS_exit, 1);
}

static void sealed(vmgen_watch *watch)
{
	struct vmgen_info now;
	char text[64];
	int r;

	if (vmgen_seal() < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		die("seal");
	say("watching\n");
	while (!(r = vmgen_watch_dispatch(watch, &now)))
		;
	snprintf(text, sizeof(text), "generation %llu\n",
		 r == 1 ? (unsigned long long)now.generation : 0);
	say(text);
	syscall(SYS_exit, 0);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };
	struct vmgen_info now;
	vmgen_watch *watch;
	int r;

	if (argc > 1 && setuid((uid_t)atoi(argv[1])))
		die("setuid");
	r = vmgen_watch_new(&watch);
	if (r == 0 && argc > 1 && !strcmp(argv[1], "sealed"))
		sealed(watch);
	if (r < 0 || vmgen_watch_add(watch, 2, called, "second") < 0 ||
	    vmgen_watch_add(watch, 1, called, "first") < 0) {
		errno = -r;
		die("no watch");
	}
	sigaction(SIGTERM, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("watching");
	while ((r = vmgen_watch_wait(watch, -1, &now)) != -EINTR) {
		if (r == 1)
			told(watch, &now);
		else if (r == -ENODEV)
			puts("the counter has gone");
		else
			printf("error: %d\n", r);
	}
	/* What it has not been woken for yet. */
	if (vmgen_watch_wait(watch, 0, &now) == 1)
		told(watch, &now);
	vmgen_watch_free(watch);
	return 0;
}
