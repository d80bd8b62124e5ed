// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * movespan: a guest under load.  Draws guarded tokens and writes them to memory as
 * fast as it can, while another thread sleeps in poll().  Prints "loaded", goes on
 * until it runs in another VM and for a while there, and prints what it saw there:
 *
 *   first	generation in the page, at the first look
 *   reseeds	of the generator
 *   readable	what poll() says of a file that was open before
 *   generation, ready, reseeded, instance   of a read() of that file
 *   woken	whether the sleeper was; if there is another generation, waits for it
 *   token	the first one
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>

#include <vmgen.h>

#include "guest.h"

#define TOKENS	(1 << 19)	/* 4 MB */
#define AFTER	20000

struct sample {
	unsigned int vm, reseeds;
	uint64_t token, generation;
};

static const volatile struct vmgenctr_generation_page *page;
static const volatile struct vmgenctr_status_page *status;
static uint64_t tokens[TOKENS];
static atomic_int woken;

static uint64_t prng_state;
static unsigned int reseeds;
static vmgen_guard guard = VMGEN_GUARD_INIT;

static int reseed(void *unused)
{
	(void)unused;
	if (getrandom(&prng_state, sizeof(prng_state), 0) != sizeof(prng_state))
		return -errno;
	reseeds++;
	return 0;
}

/* xorshift64*: what matters is only that equal states give equal tokens. */
static uint64_t produce(void)
{
	prng_state ^= prng_state >> 12;
	prng_state ^= prng_state << 25;
	prng_state ^= prng_state >> 27;
	return prng_state * 0x2545f4914f6cdd1d;
}

/* A new number inside of the section means that the restore came before its end. */
static struct sample draw(void)
{
	struct sample s;
	vmgen_epoch epoch;

	do {
		epoch = vmgen_begin(&guard, reseed, NULL);
		if (!epoch)
			die("vmgen_begin");
		s.token = produce();
		s.vm = vm_number();
		s.generation = page->generation;
	} while (vmgen_retry(&guard, epoch));
	s.reseeds = reseeds;
	return s;
}

/* The last sample of this VM, and the first of the next one. */
static void draw_until_moved(struct sample *last, struct sample *first)
{
	*first = draw();
	for (size_t i = 0; ; i++) {
		*last = *first;
		*first = draw();
		if (first->vm != last->vm)
			return;
		tokens[i % TOKENS] = first->token;
	}
}

static void *sleeper(void *unused)
{
	struct pollfd p = { .fd = open_counter(), .events = POLLIN };

	if (poll(&p, 1, -1) != 1)
		die("poll");
	woken = 1;
	return unused;
}

static int readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, 0) < 0)
		die("poll");
	return !!(p.revents & POLLIN);
}

static void report(int fd, const struct sample *last, const struct sample *first)
{
	int before = readable(fd);
	struct vmgenctr_info info = read_counter(fd);

	printf("first=%llu\nreseeds=%u\nreadable=%d\n",
	       (unsigned long long)first->generation, reseeds - last->reseeds, before);
	printf("generation=%llu\nready=%llu\nreseeded=%d\n", info.generation,
	       status->ready_generation, !!(info.flags & VMGENCTR_INFO_F_CRNG_RESEEDED));
	print_hex("instance", info.instance_id, sizeof(info.instance_id));
	printf("token=%016llx\n", (unsigned long long)first->token);
}

int main(void)
{
	int fd = open_counter();
	struct sample last, first;
	uint64_t generation;
	pthread_t thread;

	need_vm_number();
	page = map_counter(fd, VMGENCTR_GENERATION_PGOFF);
	status = map_counter(fd, VMGENCTR_STATUS_PGOFF);
	generation = read_counter(fd).generation;
	if (pthread_create(&thread, NULL, sleeper, NULL))
		die("pthread_create");
	puts("loaded");
	fflush(stdout);

	draw_until_moved(&last, &first);
	for (size_t i = 0; i < AFTER; i++)
		tokens[i] = draw().token;
	report(fd, &last, &first);
	if (read_counter(fd).generation != generation)
		pthread_join(thread, NULL);
	printf("woken=%d\n", woken);
	return 0;
}
