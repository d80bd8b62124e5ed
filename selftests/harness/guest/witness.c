// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * witness: sees every generation of its machine by each of the ways there are, and tells
 * the host of it, once, through the port that the VM's number is read from:
 *
 *	@GENERATION READY RESEEDED INSTANCE RANDOM PAGE GUARD READ POLL UEVENT VERDICT SUM
 *
 * PAGE to UEVENT count the changes that each way has shown since this program began, in
 * whatever VM that was: memory is what was saved, so a change that is missed or told
 * twice shows in the numbers of all clones.  VERDICT is "ok", or what could not be
 * right.  SUM, that of the characters before it, tells a line that a restore tore.
 *
 * It waits for the next change by turns: it spins on the mapped page, or it sleeps until
 * poll() returns in another thread, which takes a notification.
 */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include <vmgen.h>

#include "guest.h"

#define PATIENCE	20	/* seconds, for a thread that has been woken */

enum way { PAGE, GUARD, READ, POLL, UEVENT, WAYS };

static struct {
	uint64_t changes, last;
} seen[WAYS];

static const volatile struct vmgenctr_generation_page *page;
static const volatile struct vmgenctr_status_page *status;
static int counter, uevents;
static vmgen_guard guard = VMGEN_GUARD_INIT;
static sem_t woken;
static const char *verdict = "ok";

static void see(enum way way, uint64_t generation)
{
	if (generation < seen[way].last)
		verdict = "went-back";
	if (generation == seen[way].last)
		return;
	seen[way].changes++;
	__atomic_store_n(&seen[way].last, generation, __ATOMIC_RELEASE);
}

static uint64_t last_polled(void)
{
	return __atomic_load_n(&seen[POLL].last, __ATOMIC_ACQUIRE);
}

/* Another file than that of the other thread, hence another "seen". */
static void *poller(void *unused)
{
	struct pollfd p = { .fd = open_counter(), .events = POLLIN };

	sem_post(&woken);
	for (;;) {
		uint64_t before = last_polled();

		if (poll(&p, 1, -1) != 1 || p.revents != POLLIN)
			die("poll");
		see(POLL, read_counter(p.fd).generation);
		if (last_polled() == before)
			verdict = "woken-for-nothing";
		sem_post(&woken);
	}
	return unused;
}

static bool await_poller(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE;
	while (sem_timedwait(&woken, &until))
		if (errno != EINTR)
			return false;
	return true;
}

/* One message: fields that end in a zero.  Those of other devices have no generation. */
static void see_uevent(const char *field, const char *end)
{
	static const char name[] = "VMGENCTR_GENERATION=";

	for (; field < end; field += strlen(field) + 1) {
		if (strncmp(field, name, strlen(name)))
			continue;
		if (strtoull(field + strlen(name), NULL, 10) == seen[UEVENT].last)
			verdict = "uevent-twice";
		see(UEVENT, strtoull(field + strlen(name), NULL, 10));
	}
}

static void see_uevents(void)
{
	char event[8192];
	ssize_t n;

	while ((n = recv(uevents, event, sizeof(event) - 1, MSG_DONTWAIT)) > 0) {
		event[n] = '\0';
		see_uevent(event, event + n);
	}
	if (errno != EAGAIN)
		die("recv");
}

/* The machine may be restored while this runs: until nothing is new. */
static void look(void)
{
	do {
		see(PAGE, page->generation);
		if (vmgen_changed(&guard))
			seen[GUARD].changes++;
		see(READ, read_counter(counter).generation);
		while (last_polled() < seen[PAGE].last)
			if (!await_poller()) {
				verdict = "not-woken";
				break;
			}
		see_uevents();
	} while (page->generation != seen[PAGE].last);
	if (seen[UEVENT].last != seen[PAGE].last)
		verdict = "no-uevent";
	if (vmgen_changed(&guard))
		seen[GUARD].changes++;
}

static void hex(char *to, const volatile unsigned char *bytes, size_t size)
{
	while (size--)
		to += sprintf(to, "%02x", *bytes++);
}

static void report(void)
{
	unsigned char bytes[16];
	char line[512], instance[33], random[33];
	unsigned int sum = 0;
	int len;

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		die("getrandom");
	hex(random, bytes, sizeof(bytes));
	hex(instance, status->instance_id, sizeof(status->instance_id));
	len = sprintf(line, "%llu %llu %d %s %s ", (unsigned long long)seen[PAGE].last,
		      (unsigned long long)status->ready_generation,
		      !!(status->flags & VMGENCTR_STATUS_F_CRNG_RESEEDED), instance, random);
	for (int way = 0; way < WAYS; way++)
		len += sprintf(line + len, "%llu ", (unsigned long long)seen[way].changes);
	len += sprintf(line + len, "%s", verdict);
	for (int i = 0; i < len; i++)
		sum += line[i];
	sprintf(line + len, " %u\n", sum);
	vm_tell("\n@");
	vm_tell(line);
}

static void await_change(void)
{
	bool spin = seen[PAGE].changes % 2;

	while (page->generation == seen[PAGE].last)
		if (!spin)
			sem_wait(&woken);
}

static void prepare(void)
{
	struct sockaddr_nl group = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	pthread_t thread;

	need_vm_number();
	counter = open_counter();
	page = map_counter(counter, VMGENCTR_GENERATION_PGOFF);
	status = map_counter(counter, VMGENCTR_STATUS_PGOFF);
	uevents = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
	if (uevents < 0 || bind(uevents, (struct sockaddr *)&group, sizeof(group)))
		die("netlink");
	for (int way = 0; way < WAYS; way++)
		seen[way].last = read_counter(counter).generation;
	if (!vmgen_changed(&guard))
		die("the first use of a guard is a change");
	if (sem_init(&woken, 0, 0) || pthread_create(&thread, NULL, poller, NULL))
		die("thread");
	await_poller();
}

int main(void)
{
	prepare();
	report();
	for (;;) {
		await_change();
		look();
		report();
	}
}
