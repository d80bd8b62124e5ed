/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a hypervisor does to the page of /dev/vmclock0; its driver does nothing. */
#include <endian.h>

#include "testing.h"
#include "vmclock.h"

static struct vmclock_page *page_of(const struct test *t)
{
	return (void *)t->page;
}

static void format(struct test *t)
{
	struct vmclock_page *page = page_of(t);

	STORE(&page->magic, htole32(VMCLOCK_MAGIC));
	STORE(&page->size, htole32((uint32_t)vmgen_page_size()));
	STORE(&page->version, htole16(VMCLOCK_VERSION));
	store64(&page->flags, htole64(VMCLOCK_F_COUNTER));
	STORE(&page->seq_count, htole32(0));
}

static void set(struct test *t, uint64_t generation)
{
	struct vmclock_page *page = page_of(t);
	uint32_t fault = LOAD(&t->control->fault);

	if (fault == VMGEN_TEST_REMOVE)
		return;
	__atomic_fetch_or(&page->seq_count, htole32(1), __ATOMIC_ACQUIRE);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	store64(&page->disruption_marker, htole64(le64toh(load64(&page->disruption_marker)) + 1));
	store64(&page->generation, htole64(generation));
	if (fault != VMGEN_TEST_TEAR)
		__atomic_store_n(&page->seq_count,
				 htole32(le32toh(LOAD(&page->seq_count)) + 1),
				 __ATOMIC_RELEASE);
}

/* The next host has no counter to offer; the clock is still there. */
static void withdraw(struct test *t)
{
	store64(&page_of(t)->flags, 0);
	store64(&page_of(t)->generation, 0);
}

static int fault(struct test *t, enum vmgen_test_fault fault)
{
	struct vmclock_page *page = page_of(t);

	if (fault == VMGEN_TEST_REMOVE)
		withdraw(t);
	else if (fault == VMGEN_TEST_TEAR)
		STORE(&page->seq_count, htole32(1));
	else if (fault == VMGEN_TEST_GARBAGE)
		STORE(&page->magic, 0);
	else if (fault == VMGEN_TEST_VERSION)
		STORE(&page->version, htole16(VMCLOCK_VERSION + 1));
	else if (fault == VMGEN_TEST_SHRINK)
		STORE(&page->size, htole32(sizeof(*page) - 1));
	else if (fault != VMGEN_TEST_DENY)
		return -EINVAL;
	return 0;
}

static void restore(struct test *t, enum vmgen_test_fault before)
{
	if (before == VMGEN_TEST_REMOVE)
		store64(&page_of(t)->generation, htole64(load64(&t->control->live)));
}

static int map(struct source *s, int fd)
{
	int r = vmgen_vmclock_map(s, fd);

	return r < 0 ? r : vmgen_testing_map(s, fd);
}

/* The device does not go away: it only has no counter any more. */
static int seen(struct test *t, bool away, struct vmgen_info *ret)
{
	struct page page;
	int r = vmgen_vmclock_page(t->page, &page);

	(void)away;
	if (r == 0)
		ret->generation = page.generation;
	return r;
}

static const struct backend backend = {
	.id = VMGEN_BACKEND_TEST,
	.word = offsetof(struct vmclock_page, generation),
	.open = vmgen_testing_open,
	.map = map,
	.sync = vmgen_vmclock_sync,
	.watch = vmgen_testing_watch,
	.seen = vmgen_testing_seen,
	.await = vmgen_testing_watch,
};

const struct layout vmgen_testing_vmclock = {
	.backend = &backend,
	.format = format,
	.set = set,
	.fault = fault,
	.restore = restore,
	.seen = seen,
};
