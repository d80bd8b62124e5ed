/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * /dev/vmclock0: a page of which only one field, and only under its flag, is about
 * restores.  The rest of it changes while the machine runs.
 */
#include <endian.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "../src/lib.h"
#include "../src/vmclock.h"
#include "test.h"

/* Only ever there together with a flag or a count that says not to look. */
#define BAD	UINT64_C(0xbadbadbad)

static vmgen_guard g = VMGEN_GUARD_INIT;
static struct vmclock_page *page;
static int fd;

#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

static void store64(uint64_t *p, uint64_t v)
{
	STORE((vmgen_word *)p, htole64(v));
}

static void new_page(void)
{
	fd = counter(VMGEN_TEST_VMCLOCK);
	page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	CHECK(page != MAP_FAILED);
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
}

/* What QEMU does for a machine that arrives: the clock is disrupted, and no more. */
static void a_migration_is_no_change(void)
{
	struct vmgen_info before, after;
	int i;

	new_page();
	CHECK(vmgen_sync(&before) == 0);
	for (i = 0; i < 10; i++) {
		store64(&page->disruption_marker, (uint64_t)i + 77);
		STORE(&page->seq_count, htole32((uint32_t)i * 2 + 2));
		CHECK(!vmgen_changed(&g));
		CHECK(vmgen_sync(&after) == 0);
		CHECK(after.generation == before.generation);
		CHECK(!vmgen_changed(&g));
	}
}

/* The field is there, the flag is not: this is a clock. */
static void without_the_flag_it_is_no_counter(void)
{
	vmgen_guard fresh = VMGEN_GUARD_INIT;
	int clock = vmgen_test_create(VMGEN_TEST_VMCLOCK);

	new_page();
	CHECK(vmgen_status() == VMGEN_ACTIVE);
	store64(&page->flags, ~VMCLOCK_F_COUNTER);
	CHECK(vmgen_sync(NULL) == -ENODEV);
	CHECK(vmgen_status() == VMGEN_ABSENT);
	store64(&page->flags, VMCLOCK_F_COUNTER | 1);
	CHECK(vmgen_status() == VMGEN_ACTIVE);

	CHECK(clock >= 0);
	CHECK(vmgen_test_fault(clock, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_test_install(clock) == 0);
	CHECK(vmgen_status() == VMGEN_ABSENT);
	CHECK(vmgen_changed(&fresh));
	CHECK(!vmgen_changed(&fresh));
	close(clock);
}

/* It is shorter than the structure: what is behind its end has no meaning. */
static void a_short_page_is_not_read(void)
{
	static const uint32_t sizes[] = { 0, 1, 0x20, 0x68, 0x6f };
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		new_page();
		STORE(&page->size, htole32(sizes[i]));
		CHECK(vmgen_sync(NULL) == -EBADMSG);
	}
	STORE(&page->size, htole32(0x70));
	CHECK(vmgen_sync(NULL) == 0);
	STORE(&page->size, UINT32_MAX);
	CHECK(vmgen_sync(NULL) == 0);
}

/* Killed by who runs the tests if the wait has no bound. */
static void nobody_waits_for_ever(void)
{
	new_page();
	STORE(&page->seq_count, htole32(1));
	CHECK(vmgen_sync(NULL) == -EIO);
	CHECK(vmgen_status() == VMGEN_BROKEN);
	/* Unless it changes, it is known to be what it was. */
	CHECK(!vmgen_changed(&g));
	store64(&page->generation, 2);
	CHECK(vmgen_changed(&g));
	CHECK(vmgen_changed(&g));
	STORE(&page->seq_count, htole32(2));
	CHECK(vmgen_changed(&g));
	CHECK(!vmgen_changed(&g));
}

/* A hypervisor that has begun ends, and the reader waits for it. */
static void *hypervisor(void *arg)
{
	uint64_t generation = 1;
	uint32_t seq = 0;
	volatile int i;

	while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED)) {
		STORE(&page->seq_count, htole32(seq + 1));
		__atomic_thread_fence(__ATOMIC_RELEASE);
		store64(&page->generation, BAD);
		store64(&page->flags, 0);
		store64(&page->generation, ++generation);
		store64(&page->flags, VMCLOCK_F_COUNTER);
		seq += 2;
		__atomic_store_n(&page->seq_count, htole32(seq), __ATOMIC_RELEASE);
		for (i = 0; i < 100; i++)
			;
	}
	return NULL;
}

static void what_is_half_written_is_not_read(void)
{
	uint64_t last = 0;
	struct vmgen_info info;
	pthread_t thread;
	int r, seen = 0, stop = 0;

	new_page();
	CHECK(!pthread_create(&thread, NULL, hypervisor, &stop));
	while (seen < 2000) {
		r = vmgen_sync(&info);
		CHECK(r == 0 || r == -EIO);
		if (r < 0)
			continue;
		CHECK(info.generation != BAD);
		CHECK(info.generation >= last);
		seen += info.generation > last;
		last = info.generation;
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	CHECK(!pthread_join(thread, NULL));
	CHECK(vmgen_sync(NULL) == 0);
}

/*
 * The whole update of a hypervisor between any two instructions of a reader, which the
 * processor's single steps are good for: it sees what was there before or after.
 */
#if (defined(__x86_64__) || defined(__i386__)) && !defined(__SANITIZE_THREAD__)

#ifdef __x86_64__
#define FLAGS(uc) ((uc)->uc_mcontext.gregs[REG_EFL])
#define SINGLE_STEPS() __asm__ __volatile__("sub $128, %%rsp; pushfq; orq $0x100, (%%rsp); " \
					    "popfq; add $128, %%rsp" : : : "memory", "cc")
#else
#define FLAGS(uc) ((uc)->uc_mcontext.gregs[REG_EFL])
#define SINGLE_STEPS() __asm__ __volatile__("pushfl; orl $0x100, (%%esp); popfl" \
					    : : : "memory", "cc")
#endif
#define TRAP_FLAG 0x100

static struct { uint64_t flags, generation; } after;
static volatile int steps, step;

static void stepped(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)si;
	if (++steps < step)
		return;
	FLAGS((ucontext_t *)context) &= ~TRAP_FLAG;
	store64(&page->flags, after.flags);
	store64(&page->generation, after.generation);
	STORE(&page->seq_count, htole32(le32toh(page->seq_count) + 2));
}

static void update(uint64_t flags, uint64_t generation)
{
	store64(&page->flags, flags);
	store64(&page->generation, generation);
	after.flags = flags ^ VMCLOCK_F_COUNTER;
	after.generation = generation == BAD ? 2 : BAD;
}

static void read_with_update_at(int k)
{
	struct page now = { 0, 0 };
	int r;

	steps = 0;
	step = k;
	SINGLE_STEPS();
	r = vmgen_vmclock_page(page, &now);
	CHECK(r == 0 || r == -ENODEV);
	CHECK(r < 0 || now.generation != BAD);
	/* The reader may be through before; the steps end only with the update. */
	while (steps < k)
		;
}

static void an_update_between_two_instructions(void)
{
	struct sigaction action = { .sa_sigaction = stepped, .sa_flags = SA_SIGINFO };
	int k;

	if (getenv("WRAPPER") && *getenv("WRAPPER"))
		return;
	new_page();
	CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
	for (k = 1; k < 300; k++) {
		update(VMCLOCK_F_COUNTER, 1);
		read_with_update_at(k);
		update(0, BAD);
		read_with_update_at(k);
	}
	update(VMCLOCK_F_COUNTER, 1);
}

#else
static void an_update_between_two_instructions(void)
{
}
#endif

int main(void)
{
	a_migration_is_no_change();
	without_the_flag_it_is_no_counter();
	a_short_page_is_not_read();
	nobody_waits_for_ever();
	what_is_half_written_is_not_read();
	an_update_between_two_instructions();
	return 0;
}
