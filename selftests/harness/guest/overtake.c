// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * overtake: has the kernel's CRNG reseeded by a process that everyone else comes before,
 * and asks the counter meanwhile.  Prints whether the machine was found restored before
 * that reseed was done, the generation, and the first random number after both.
 */
#define _GNU_SOURCE
#include <linux/random.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>

#include "guest.h"

static void reseed(volatile bool *done)
{
	struct sched_param none = { 0 };
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || sched_setscheduler(0, SCHED_IDLE, &none) || ioctl(fd, RNDRESEEDCRNG))
		die("reseed");
	*done = true;
	_exit(0);
}

/* Lets the other one run. */
static void give_way(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

int main(void)
{
	volatile bool *done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = open_counter();
	uint64_t before = read_counter(fd).generation, now;
	unsigned char random[16];
	bool overtook;
	pid_t child;

	if (done == MAP_FAILED)
		die("mmap");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0)
		reseed(done);
	do {
		give_way();
		now = read_counter(fd).generation;
		overtook = !*done;
	} while (overtook && now == before);
	while (!*done)
		give_way();
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		die("getrandom");
	printf("overtook=%d\ngeneration=%llu\n", overtook && now != before,
	       (unsigned long long)now);
	print_hex("random", random, sizeof(random));
	return 0;
}
