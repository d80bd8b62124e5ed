// SPDX-License-Identifier: GPL-2.0
/* The two pages of /dev/vmgenctr: what they hold, and that they only hold it. */
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "device.h"

FIXTURE(page)
{
	int fd;
	char *page;
	char *before;		/* what it held at first */
	size_t size;
};

FIXTURE_VARIANT(page)
{
	unsigned int pgoff;
	int open_flags;
	int map_flags;
};

/*
 * A file that is open for reading cannot become a writable shared mapping
 * whatever the driver does; root's O_RDWR and MAP_PRIVATE depend on the driver.
 */
FIXTURE_VARIANT_ADD(page, generation)
{
	.pgoff = VMGENCTR_GENERATION_PGOFF,
	.open_flags = O_RDONLY,
	.map_flags = MAP_SHARED,
};

FIXTURE_VARIANT_ADD(page, generation_private)
{
	.pgoff = VMGENCTR_GENERATION_PGOFF,
	.open_flags = O_RDONLY,
	.map_flags = MAP_PRIVATE,
};

FIXTURE_VARIANT_ADD(page, generation_rdwr)
{
	.pgoff = VMGENCTR_GENERATION_PGOFF,
	.open_flags = O_RDWR,
	.map_flags = MAP_SHARED,
};

FIXTURE_VARIANT_ADD(page, status)
{
	.pgoff = VMGENCTR_STATUS_PGOFF,
	.open_flags = O_RDONLY,
	.map_flags = MAP_SHARED,
};

FIXTURE_VARIANT_ADD(page, status_private)
{
	.pgoff = VMGENCTR_STATUS_PGOFF,
	.open_flags = O_RDONLY,
	.map_flags = MAP_PRIVATE,
};

FIXTURE_VARIANT_ADD(page, status_rdwr)
{
	.pgoff = VMGENCTR_STATUS_PGOFF,
	.open_flags = O_RDWR,
	.map_flags = MAP_SHARED,
};

FIXTURE_SETUP(page)
{
	self->size = page_size();
	self->fd = open(VMGENCTR_DEVICE, variant->open_flags | O_CLOEXEC);
	if (self->fd < 0)
		SKIP(return, "%s: %s", VMGENCTR_DEVICE, strerror(errno));
	self->page = mmap(NULL, self->size, PROT_READ, variant->map_flags,
			  self->fd, variant->pgoff * self->size);
	ASSERT_NE(MAP_FAILED, self->page);
	self->before = malloc(self->size);
	ASSERT_NE(NULL, self->before);
	memcpy(self->before, self->page, self->size);
}

FIXTURE_TEARDOWN(page)
{
	munmap(self->page, self->size);
	free(self->before);
	close(self->fd);
}

#define EXPECT_INTACT(page) \
	EXPECT_EQ(0, memcmp(self->before, (page), self->size))

TEST_F(page, cannot_be_mapped_writable)
{
	off_t offset = variant->pgoff * self->size;
	/* The kernel itself refuses a shared mapping of a read-only file. */
	int expected = variant->map_flags == MAP_SHARED &&
		       variant->open_flags == O_RDONLY ? EACCES : EPERM;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->size, PROT_READ | PROT_WRITE,
				   variant->map_flags, self->fd, offset));
	EXPECT_EQ(expected, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->size, PROT_WRITE,
				   variant->map_flags, self->fd, offset));
	EXPECT_EQ(expected, errno);
}

TEST_F(page, cannot_be_mapped_executable)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->size, PROT_READ | PROT_EXEC,
				   variant->map_flags, self->fd,
				   variant->pgoff * self->size));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(page, cannot_become_writable)
{
	EXPECT_EQ(-1, mprotect(self->page, self->size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(self->page, self->size, PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_INTACT(self->page);
}

TEST_F(page, cannot_become_executable)
{
	EXPECT_EQ(-1, mprotect(self->page, self->size, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(page, can_be_made_inaccessible_and_readable_again)
{
	ASSERT_EQ(0, mprotect(self->page, self->size, PROT_NONE));
	ASSERT_EQ(0, mprotect(self->page, self->size, PROT_READ));
	EXPECT_INTACT(self->page);
}

/* What a read-only mapping has to withstand is a kernel that writes to it. */
TEST_F(page, is_no_buffer_for_the_kernel)
{
	EXPECT_EQ(-1, read(self->fd, self->page, sizeof(struct vmgenctr_info)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, getrandom(self->page, 16, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_INTACT(self->page);
}

TEST_F(page, is_not_written_through_proc_mem)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	if (mem < 0)
		SKIP(return, "/proc/self/mem: %s", strerror(errno));
	EXPECT_EQ(-1, pwrite(mem, "x", 1, (uintptr_t)self->page + 0x18));
	close(mem);
	EXPECT_INTACT(self->page);
}

TEST_F(page, is_not_written_by_process_vm_writev)
{
	char mine[2] = "xy";
	struct iovec local = { mine, 1 };
	struct iovec ordinary = { mine + 1, 1 };
	struct iovec remote = { self->page + 0x18, 1 };

	if (process_vm_writev(getpid(), &local, 1, &ordinary, 1, 0) != 1)
		SKIP(return, "needs CONFIG_CROSS_MEMORY_ATTACH");
	EXPECT_EQ(-1, process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_INTACT(self->page);
}

TEST_F(page, is_not_written_by_a_debugger)
{
	void *word = self->page + 0x18;
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(memcmp(self->before, self->page, self->size) ? 1 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(-1, ptrace(PTRACE_POKEDATA, pid, word, (void *)0x55));
	ASSERT_EQ(0, ptrace(PTRACE_CONT, pid, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_INTACT(self->page);
}

TEST_F(page, moves_but_does_not_grow)
{
	char *target = mmap(NULL, self->size, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *moved;

	ASSERT_NE(MAP_FAILED, target);
	EXPECT_EQ(MAP_FAILED, mremap(self->page, self->size, 2 * self->size,
				     MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(MAP_FAILED, mremap(self->page, self->size, 2 * self->size, 0));
	EXPECT_EQ(MAP_FAILED, mremap(self->page, 0, self->size,
				     MREMAP_MAYMOVE));
	EXPECT_INTACT(self->page);

	moved = mremap(self->page, self->size, self->size,
		       MREMAP_MAYMOVE | MREMAP_FIXED, target);
	ASSERT_EQ(target, moved);
	self->page = moved;
	EXPECT_INTACT(self->page);
	EXPECT_EQ(-1, mprotect(self->page, self->size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(MAP_FAILED, mremap(self->page, self->size, 2 * self->size,
				     MREMAP_MAYMOVE));
}

TEST_F(page, fits_between_other_mappings)
{
	char *area = mmap(NULL, 3 * self->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *middle = area + self->size;

	ASSERT_NE(MAP_FAILED, area);
	memset(area, 1, 3 * self->size);
	ASSERT_EQ(middle, mmap(middle, self->size, PROT_READ,
			       variant->map_flags | MAP_FIXED, self->fd,
			       variant->pgoff * self->size));
	EXPECT_INTACT(middle);
	/* Away with the page and the one behind: the first one stays. */
	ASSERT_EQ(0, munmap(middle, 2 * self->size));
	EXPECT_EQ(1, area[0]);
	EXPECT_EQ(1, area[self->size - 1]);
	EXPECT_INTACT(self->page);
	munmap(area, self->size);
}

TEST_F(page, outlives_the_file_descriptor)
{
	close(self->fd);
	self->fd = -1;
	EXPECT_INTACT(self->page);
}

/* A child that only starts to look when its parent and all files are gone. */
TEST_F(page, outlives_the_process_that_mapped_it)
{
	int go[2], result[2], status;
	char verdict = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(result));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid && fork())
		_exit(0);
	if (!pid) {
		close(self->fd);
		close(go[1]);
		/* End of file: the others have seen the parent exit. */
		if (read(go[0], &verdict, 1))
			_exit(1);
		verdict = memcmp(self->before, self->page, self->size) ? 'n' :
									 'y';
		_exit(write(result[1], &verdict, 1) != 1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	munmap(self->page, self->size);
	close(go[1]);
	close(result[1]);
	ASSERT_EQ(1, read(result[0], &verdict, 1));
	EXPECT_EQ('y', verdict);
}

TEST_F(page, withstands_madvise)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_DONTFORK,
		MADV_DOFORK, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_WIPEONFORK,
		MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT,
		22,		/* MADV_POPULATE_READ */
		24,		/* MADV_DONTNEED_LOCKED */
		25,		/* MADV_COLLAPSE */
		102,		/* MADV_GUARD_INSTALL */
		103,		/* MADV_GUARD_REMOVE */
	};
	size_t i;

	/* Refused or without effect, both are fine. */
	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		if (advice[i] == 102 &&
		    !madvise(self->page, self->size, advice[i]))
			continue;	/* asked for: faults until removed */
		madvise(self->page, self->size, advice[i]);
		EXPECT_INTACT(self->page)
			TH_LOG("after madvise %d", advice[i]);
	}
	EXPECT_EQ(-1, madvise(self->page, self->size,
			      23 /* MADV_POPULATE_WRITE */));
}

TEST_F(page, can_be_locked)
{
	EXPECT_EQ(0, mlock(self->page, self->size));
	EXPECT_INTACT(self->page);
	EXPECT_EQ(0, munlock(self->page, self->size));
	EXPECT_INTACT(self->page);
}

/* Finds the line of flags that belongs to the mapping at an address. */
static bool smaps_flags(const void *address, char *flags, size_t size)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");
	bool here = false, found = false;
	unsigned long start, end;
	char line[512];

	while (smaps && !found && fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (unsigned long)address;
		else if (here && !strncmp(line, "VmFlags:", 8))
			found = snprintf(flags, size, "%s", line + 8) > 0;
	}
	if (smaps)
		fclose(smaps);
	return found;
}

TEST_F(page, stays_out_of_core_dumps_and_can_never_be_written)
{
	static const char * const absent[] = { "wr", "ex", "mw", "me" };
	char flags[256];
	size_t i;

	if (!smaps_flags(self->page, flags, sizeof(flags)))
		SKIP(return, "needs VmFlags in /proc/self/smaps");
	EXPECT_NE(NULL, strstr(flags, " dd")) TH_LOG("VmFlags:%s", flags);
	EXPECT_NE(NULL, strstr(flags, " de")) TH_LOG("VmFlags:%s", flags);
	for (i = 0; i < ARRAY_SIZE(absent); i++)
		EXPECT_EQ(NULL, strstr(flags, absent[i]))
			TH_LOG("VmFlags:%s", flags);
	/* And it cannot be put back into core dumps. */
	EXPECT_EQ(-1, madvise(self->page, self->size, MADV_DODUMP));
}

static bool all_zero(const char *page, size_t from, size_t to)
{
	while (from < to)
		if (page[from++])
			return false;
	return true;
}

FIXTURE(window)
{
	int fd;
	size_t size;
};

FIXTURE_SETUP(window)
{
	self->size = page_size();
	self->fd = device_open();
	if (self->fd < 0)
		SKIP(return, "%s: %s", VMGENCTR_DEVICE, strerror(errno));
}

FIXTURE_TEARDOWN(window)
{
	close(self->fd);
}

TEST_F(window, holds_a_generation_and_nothing_else)
{
	const struct vmgenctr_generation_page *page;
	__u32 size;

	page = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_GENERATION_PGOFF);
	size = le32toh(page->size);
	EXPECT_EQ(VMGENCTR_GENERATION_MAGIC, le32toh(page->magic));
	EXPECT_EQ(VMGENCTR_VERSION, le16toh(page->version));
	EXPECT_EQ(0, page->reserved);
	EXPECT_EQ(0, le32toh(page->seq_count) % 2);
	EXPECT_EQ(0, le64toh(page->flags) & ~VMGENCTR_F_HYPERVISOR);
	EXPECT_NE(0, page_generation(page));
	ASSERT_LE(VMGENCTR_GENERATION_SIZE, size);
	ASSERT_GE(self->size, size);
	EXPECT_TRUE(all_zero((const char *)page, size, self->size));
}

TEST_F(window, holds_a_status_and_nothing_else)
{
	const struct vmgenctr_status_page *status;

	status = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_STATUS_PGOFF);
	EXPECT_EQ(VMGENCTR_STATUS_MAGIC, status->magic);
	EXPECT_EQ(VMGENCTR_VERSION, status->version);
	EXPECT_EQ(0, status->reserved);
	EXPECT_EQ(0, status->seq_count % 2);
	EXPECT_EQ(0, status->flags & ~VMGENCTR_STATUS_F_CRNG_RESEEDED);
	EXPECT_NE(0, page_ready_generation(status));
	ASSERT_EQ(sizeof(*status), status->size);
	EXPECT_TRUE(all_zero((const char *)status, sizeof(*status),
			     self->size));
}

TEST_F(window, has_exactly_one_page)
{
	off_t offsets[] = { 2 * self->size, 3 * self->size, 256 * self->size,
			    (off_t)1 << 40, -(off_t)self->size, INT64_MIN };
	int pgoff;
	size_t i;

	for (pgoff = 0; pgoff < 2; pgoff++) {
		off_t offset = pgoff * self->size;

		EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * self->size, PROT_READ,
					   MAP_SHARED, self->fd, offset));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, self->size + 1, PROT_READ,
					   MAP_SHARED, self->fd, offset));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, 0, PROT_READ, MAP_SHARED,
					   self->fd, offset));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(MAP_FAILED, mmap(NULL, self->size, PROT_READ,
					   MAP_SHARED, self->fd, offset + 1));
		EXPECT_EQ(EINVAL, errno);
		/* Half a page is a page: the kernel rounds before we see it. */
		EXPECT_NE(MAP_FAILED, mmap(NULL, self->size / 2, PROT_READ,
					   MAP_SHARED, self->fd, offset));
	}
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		EXPECT_EQ(MAP_FAILED, mmap(NULL, self->size, PROT_READ,
					   MAP_SHARED, self->fd, offsets[i]))
			TH_LOG("offset %#jx", (uintmax_t)offsets[i]);
		/* A sum that wraps is caught before it gets to the driver. */
		EXPECT_TRUE(errno == EINVAL || errno == EOVERFLOW)
			TH_LOG("offset %#jx: %s", (uintmax_t)offsets[i],
			       strerror(errno));
	}
}

TEST_HARNESS_MAIN
