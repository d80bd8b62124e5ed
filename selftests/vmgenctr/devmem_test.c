// SPDX-License-Identifier: GPL-2.0
/*
 * The hypervisor's page belongs to the hypervisor: what the guest writes to its
 * physical address, which the kernel could do by mistake, is dropped.
 */
#include "../kselftest_harness.h"
#include "device.h"
#include "guest.h"

FIXTURE(physical)
{
	int fd;
	size_t size;
	const struct vmgenctr_generation_page *page;
	unsigned char *raw;
	unsigned char *before;
};

FIXTURE_SETUP(physical)
{
	const char *missing;
	__u64 address;
	void *raw;

	self->fd = device_open();
	if (self->fd < 0)
		SKIP(return, "%s: %s", VMGENCTR_DEVICE, strerror(errno));
	self->size = page_size();
	self->page = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_GENERATION_PGOFF);
	if (!page_by_hypervisor(self->page))
		SKIP(return, "the page is not that of a hypervisor");
	missing = counter_page_find(&address);
	if (!missing)
		missing = physical_map(address, &raw);
	if (missing)
		SKIP(return, "%s", missing);
	self->raw = raw;
	self->before = malloc(self->size);
	ASSERT_NE(NULL, self->before);
	memcpy(self->before, self->raw, self->size);
	ASSERT_EQ(0, memcmp(self->page, self->before, self->size))
		TH_LOG("%#jx is another page", (uintmax_t)address);
}

FIXTURE_TEARDOWN(physical)
{
	free(self->before);
	close(self->fd);
}

#define EXPECT_UNCHANGED() do {						\
	EXPECT_EQ(0, memcmp(self->before, self->raw, self->size));	\
	EXPECT_EQ(0, memcmp(self->before, self->page, self->size));	\
} while (0)

TEST_F(physical, page_drops_stores_of_every_size)
{
	size_t i;

	for (i = 0; i < self->size; i += 8) {
		void *at = self->raw + i;

		__atomic_store_n((__u8 *)at, 0xa5, __ATOMIC_RELAXED);
		__atomic_store_n((__u16 *)at, 0xa5a5, __ATOMIC_RELAXED);
		__atomic_store_n((__u32 *)at, 0xa5a5a5a5, __ATOMIC_RELAXED);
		__atomic_store_n((__u64 *)at, ~0ULL, __ATOMIC_RELAXED);
	}
	EXPECT_UNCHANGED();
}

TEST_F(physical, page_drops_bulk_and_atomic_stores)
{
	__u64 *generation = (__u64 *)(self->raw + 0x18);

	memset(self->raw, 0xff, self->size);
	__atomic_fetch_add(generation, 1, __ATOMIC_SEQ_CST);
	EXPECT_UNCHANGED();
}

TEST_F(physical, page_still_counts_after_stores)
{
	struct vmgenctr_info before, after;

	ASSERT_EQ(0, device_read(self->fd, &before));
	memset(self->raw, 0, self->size);
	ASSERT_EQ(0, device_read(self->fd, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

TEST_HARNESS_MAIN
