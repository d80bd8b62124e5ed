// SPDX-License-Identifier: GPL-2.0
/* read() on /dev/vmgenctr, as long as the generation does not change. */
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "device.h"

#define UNTOUCHED	0xa5
#define NOBODY		65534

FIXTURE(read)
{
	int fd;
	struct vmgenctr_info info;
};

FIXTURE_SETUP(read)
{
	self->fd = device_open();
	if (self->fd < 0)
		SKIP(return, "%s: %s", VMGENCTR_DEVICE, strerror(errno));
	ASSERT_EQ(0, device_read(self->fd, &self->info));
}

FIXTURE_TEARDOWN(read)
{
	close(self->fd);
}

TEST_F(read, returns_what_the_pages_hold)
{
	const struct vmgenctr_generation_page *page;
	const struct vmgenctr_status_page *status;
	const struct vmgenctr_info *info = &self->info;

	page = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_GENERATION_PGOFF);
	status = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_STATUS_PGOFF);
	EXPECT_NE(0, info->generation);
	EXPECT_EQ(page_generation(page), info->generation);
	EXPECT_EQ(page_ready_generation(status), info->generation);
	if (page_by_hypervisor(page) || page_size() == 4096)
		EXPECT_EQ(page_by_hypervisor(page), info_by_hypervisor(info));
	EXPECT_EQ(!!(status->flags & VMGENCTR_STATUS_F_CRNG_RESEEDED),
		  !!(info->flags & VMGENCTR_INFO_F_CRNG_RESEEDED));
	EXPECT_EQ(0, info->flags & ~(VMGENCTR_INFO_F_HYPERVISOR |
				     VMGENCTR_INFO_F_CRNG_RESEEDED));
	EXPECT_EQ(0, memcmp(status->instance_id, info->instance_id,
			    sizeof(info->instance_id)));
}

TEST_F(read, has_an_instance_id)
{
	static const __u8 none[sizeof(self->info.instance_id)];

	EXPECT_NE(0, memcmp(none, self->info.instance_id, sizeof(none)));
}

TEST_F(read, of_less_than_a_generation_is_invalid)
{
	char buf[8];
	size_t size;

	memset(buf, UNTOUCHED, sizeof(buf));
	for (size = 0; size < sizeof(__u64); size++) {
		EXPECT_EQ(-1, read(self->fd, buf, size))
			TH_LOG("size %zu", size);
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(UNTOUCHED, (unsigned char)buf[0]);
}

TEST_F(read, of_any_other_size_returns_a_prefix)
{
	unsigned char buf[65], untouched[sizeof(buf)];
	size_t size, expected;

	memset(untouched, UNTOUCHED, sizeof(untouched));
	for (size = sizeof(__u64); size <= 64; size++) {
		memset(buf, UNTOUCHED, sizeof(buf));
		expected = size < sizeof(self->info) ? size :
						       sizeof(self->info);
		ASSERT_EQ(expected, read(self->fd, buf, size))
			TH_LOG("size %zu", size);
		EXPECT_EQ(0, memcmp(&self->info, buf, expected));
		EXPECT_EQ(0, memcmp(untouched, buf + expected,
				    sizeof(buf) - expected))
			TH_LOG("size %zu: written behind the end", size);
	}
}

TEST_F(read, repeats_without_lseek)
{
	struct vmgenctr_info info;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, device_read(self->fd, &info));
		EXPECT_EQ(0, memcmp(&self->info, &info, sizeof(info)));
	}
}

TEST_F(read, ignores_the_file_position)
{
	static const off_t offsets[] = { 0, 1, 8, 32, 4096, (off_t)1 << 40 };
	struct vmgenctr_info info;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		ASSERT_EQ(sizeof(info), pread(self->fd, &info, sizeof(info),
					      offsets[i]))
			TH_LOG("offset %jd", (intmax_t)offsets[i]);
		EXPECT_EQ(0, memcmp(&self->info, &info, sizeof(info)));
		/* Whether it can seek or not, it always reads from the start. */
		lseek(self->fd, offsets[i], SEEK_SET);
		ASSERT_EQ(0, device_read(self->fd, &info));
		EXPECT_EQ(0, memcmp(&self->info, &info, sizeof(info)));
	}
}

TEST_F(read, scatters_one_info)
{
	struct vmgenctr_info info = {};
	struct iovec vec[] = {
		{ &info.generation, sizeof(info.generation) },
		{ &info.flags, sizeof(info.flags) },
		{ info.instance_id, 3 },
		{ info.instance_id + 3, sizeof(info.instance_id) - 3 },
	};

	ASSERT_EQ(sizeof(info), readv(self->fd, vec, ARRAY_SIZE(vec)));
	EXPECT_EQ(0, memcmp(&self->info, &info, sizeof(info)));
}

TEST_F(read, scatters_a_generation_over_pieces)
{
	char generation[sizeof(self->info.generation)];
	struct iovec vec[] = { { generation, 3 }, { generation + 3, 5 } };

	ASSERT_EQ(sizeof(generation), readv(self->fd, vec, ARRAY_SIZE(vec)));
	EXPECT_EQ(0, memcmp(&self->info, generation, sizeof(generation)));
}

static void *map_anonymous(size_t pages, int prot)
{
	return mmap(NULL, pages * page_size(), prot,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

TEST_F(read, into_a_bad_buffer_faults)
{
	void *readable = map_anonymous(1, PROT_READ);
	void *inaccessible = map_anonymous(1, PROT_NONE);
	void *unmapped = map_anonymous(1, PROT_READ);
	void *buffers[] = { NULL, (void *)8, (void *)-4096L, (void *)-8L,
			    readable, inaccessible, unmapped };
	struct vmgenctr_info info;
	size_t i;

	ASSERT_EQ(0, munmap(unmapped, page_size()));
	for (i = 0; i < ARRAY_SIZE(buffers); i++) {
		EXPECT_EQ(-1, read(self->fd, buffers[i], sizeof(info)))
			TH_LOG("buffer %p", buffers[i]);
		EXPECT_EQ(EFAULT, errno);
	}
	ASSERT_EQ(0, device_read(self->fd, &info));
	EXPECT_EQ(0, memcmp(&self->info, &info, sizeof(info)));
}

TEST_F(read, into_a_partly_mapped_buffer_faults)
{
	char *pages = map_anonymous(2, PROT_READ | PROT_WRITE);
	char *end = pages + page_size();
	size_t mapped;

	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_EQ(0, munmap(end, page_size()));
	for (mapped = 1; mapped < sizeof(self->info); mapped++) {
		EXPECT_EQ(-1, read(self->fd, end - mapped, sizeof(self->info)))
			TH_LOG("%zu bytes mapped", mapped);
		EXPECT_EQ(EFAULT, errno);
	}
	/* Only what it needs has to be there. */
	EXPECT_EQ(8, read(self->fd, end - 8, 8));
}

TEST_F(read, is_all_there_is)
{
	char buf[32] = {};

	EXPECT_EQ(-1, write(self->fd, buf, sizeof(buf)));
	EXPECT_EQ(-1, ioctl(self->fd, FIONREAD, buf));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(read, is_for_everyone_but_nobody_writes)
{
	struct vmgenctr_info info;
	struct stat st;
	int fd;

	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(0444, st.st_mode & 07777);
	if (geteuid())
		SKIP(return, "needs root to become nobody");
	ASSERT_EQ(0, setresuid(NOBODY, NOBODY, NOBODY));
	EXPECT_EQ(-1, open(VMGENCTR_DEVICE, O_RDWR));
	EXPECT_EQ(EACCES, errno);
	fd = device_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, device_read(fd, &info));
	EXPECT_EQ(0, memcmp(&self->info, &info, sizeof(info)));
	close(fd);
}

TEST_HARNESS_MAIN
