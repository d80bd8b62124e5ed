/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the driver of /dev/sysgenid does to its page when it hears of a restore. */
#include "testing.h"

static uint32_t *number_of(const struct test *t)
{
	return (void *)t->page;
}

static void format(struct test *t)
{
	STORE(number_of(t) + 1, 0);
}

static void set(struct test *t, uint64_t generation)
{
	__atomic_store_n(number_of(t), (uint32_t)generation, __ATOMIC_RELEASE);
}

/* Whoever has it mapped keeps the driver; the others find no device. */
static int fault(struct test *t, enum vmgen_test_fault fault)
{
	if (fault == VMGEN_TEST_GARBAGE)
		STORE(number_of(t) + 1, 1);
	else if (fault != VMGEN_TEST_REMOVE && fault != VMGEN_TEST_DENY)
		return -EINVAL;
	return 0;
}

static int map(struct source *s, int fd)
{
	int r = vmgen_sysgenid_map(s, fd);

	return r < 0 ? r : vmgen_testing_map(s, fd);
}

static int seen(struct test *t, bool away, struct vmgen_info *ret)
{
	struct page page;
	int r = vmgen_sysgenid_word(load64(t->page), &page);

	(void)away;
	if (r == 0)
		ret->generation = page.generation;
	return r;
}

static const struct backend backend = {
	.id = VMGEN_BACKEND_TEST,
	.word = 0,
	.open = vmgen_testing_open,
	.map = map,
	.sync = vmgen_sysgenid_sync,
	.watch = vmgen_testing_watch,
	.seen = vmgen_testing_seen,
	.await = vmgen_testing_watch,
};

const struct layout vmgen_testing_sysgenid = {
	.backend = &backend,
	.absent = -ENOENT,
	.format = format,
	.set = set,
	.fault = fault,
	.seen = seen,
};
