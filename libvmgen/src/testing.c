/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The memfd of the test backend, and what a test does to it.  See testing.h. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing.h"

#define TEST_MAGIC	0x54474d56	/* "VMGT" */

static int installed = -1;

static const struct layout *layout_of(unsigned int flags)
{
	if (flags & VMGEN_TEST_VMCLOCK)
		return &vmgen_testing_vmclock;
	if (flags & VMGEN_TEST_SYSGENID)
		return &vmgen_testing_sysgenid;
	return &vmgen_testing_vmgenctr;
}

/* Only the driver of /dev/vmgenctr can do without the hypervisor. */
static bool flags_valid(unsigned int flags)
{
	return flags == 0 || flags == VMGEN_TEST_SOFTWARE ||
	       flags == VMGEN_TEST_VMCLOCK || flags == VMGEN_TEST_SYSGENID;
}

static const struct layout *layout(const struct test *t)
{
	return layout_of(LOAD(&t->control->flags));
}

void vmgen_testing_at(char *base, struct test *ret)
{
	size_t page = vmgen_page_size();

	ret->page = base;
	ret->status = base + page;
	ret->control = (void *)(base + 2 * page);
}

static void *map_anywhere(int fd)
{
	return mmap(NULL, TEST_PAGES * vmgen_page_size(), PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
}

/* For the life of a source, so that reading from it takes no system call of ours. */
int vmgen_testing_map(struct source *s, int fd)
{
	size_t page = vmgen_page_size();

	return vmgen_frame_map(s->status + page, TEST_PAGES * page,
			       PROT_READ | PROT_WRITE, fd, 0);
}

static void test_unmap(struct test *t)
{
	munmap(t->page, TEST_PAGES * vmgen_page_size());
}

static int test_map(int fd, struct test *ret)
{
	struct stat st;
	char *base;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != (off_t)(TEST_PAGES * vmgen_page_size()))
		return -EINVAL;
	base = map_anywhere(fd);
	if (base == MAP_FAILED)
		return -errno;
	vmgen_testing_at(base, ret);
	if (LOAD(&ret->control->magic) == TEST_MAGIC &&
	    flags_valid(LOAD(&ret->control->flags)))
		return 0;
	test_unmap(ret);
	return -EINVAL;
}

/*
 * Whoever waits does so with inotify.  No store to a mapping wakes it, nor on newer
 * kernels a write to what memfd_create() returned; new attributes of the inode do.
 * That its device is away is told in another way: an open file does not forget that.
 */
static void test_poke(int fd, enum vmgen_test_fault fault)
{
	off_t same = (off_t)(TEST_PAGES * vmgen_page_size());
	int r = fault == VMGEN_TEST_REMOVE ? ftruncate(fd, same) : futimens(fd, NULL);

	(void)r;
}

int vmgen_testing_watch(void)
{
	int fd = vmgen_sys_fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), r;
	char path[32];

	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d",
		 __atomic_load_n(&installed, __ATOMIC_ACQUIRE));
	if (inotify_add_watch(fd, path, IN_ATTRIB | IN_MODIFY) >= 0)
		return fd;
	r = -errno;
	vmgen_sys_close(fd);
	return r;
}

/* Was the device away since the last time?  No event has a name, so all have one size. */
static bool was_away(int fd)
{
	struct inotify_event event;
	bool away = false;

	while (vmgen_sys_read(fd, &event, sizeof(event)) > 0)
		away |= event.mask & IN_MODIFY;
	return away;
}

/* As with a device, what fails leaves the file readable. */
int vmgen_testing_seen(int fd, struct vmgen_info *ret)
{
	struct test t;
	int r = test_map(__atomic_load_n(&installed, __ATOMIC_ACQUIRE), &t);

	if (r < 0)
		return r;
	r = layout(&t)->seen(&t, false, ret);
	if (r == 0)
		r = layout(&t)->seen(&t, was_away(fd), ret);
	test_unmap(&t);
	return r;
}

static void test_set(struct test *t, uint64_t generation)
{
	store64(&t->control->live, generation);
	layout(t)->set(t, generation);
}

int vmgen_testing_open(void)
{
	int fd = __atomic_load_n(&installed, __ATOMIC_ACQUIRE), absent;
	uint32_t fault;
	struct test t;
	int r = test_map(fd, &t);

	if (r < 0)
		return r;
	fault = LOAD(&t.control->fault);
	absent = layout(&t)->absent;
	test_unmap(&t);
	if (fault == VMGEN_TEST_REMOVE && absent)
		return absent;
	if (fault == VMGEN_TEST_DENY)
		return -EACCES;
	return vmgen_sys_dup(fd);
}

/* Also for a process that may not open it any more. */
int vmgen_testing_again(const struct source *s)
{
	int fd = vmgen_source_fd(s);

	return fd < 0 ? fd : vmgen_sys_dup(__atomic_load_n(&installed, __ATOMIC_ACQUIRE));
}

static int apply_fault(struct test *t, enum vmgen_test_fault fault)
{
	const struct layout *l = layout(t);
	uint32_t before = __atomic_exchange_n(&t->control->fault, (uint32_t)fault,
					      __ATOMIC_ACQ_REL);
	int r;

	if (fault == VMGEN_TEST_RESTORE) {
		l->format(t);
		if (l->restore)
			l->restore(t, (enum vmgen_test_fault)before);
		return 0;
	}
	r = l->fault(t, fault);
	if (r < 0)
		STORE(&t->control->fault, before);
	return r;
}

/* Nobody who has the descriptor can make an access to the mapping fail. */
static int test_memfd(void)
{
	off_t size = (off_t)(TEST_PAGES * vmgen_page_size());
	int fd = vmgen_sys_fd(memfd_create("vmgen-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	int r;

	if (fd < 0)
		return fd;
	if (ftruncate(fd, size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static void test_begin(struct test *t, unsigned int flags)
{
	const struct layout *l = layout_of(flags);

	STORE(&t->control->flags, flags);
	STORE(&t->control->magic, TEST_MAGIC);
	l->format(t);
	test_set(t, 1);
	if (l->ready)
		l->ready(t);
}

int vmgen_test_create(unsigned int flags)
{
	struct test t;
	char *base;
	int fd, r;

	if (!flags_valid(flags))
		return -EINVAL;
	fd = test_memfd();
	if (fd < 0)
		return fd;
	base = map_anywhere(fd);
	if (base == MAP_FAILED) {
		r = -errno;
		close(fd);
		return r;
	}
	vmgen_testing_at(base, &t);
	test_begin(&t, flags);
	test_unmap(&t);
	return fd;
}

int vmgen_test_install(int fd)
{
	const struct layout *l;
	struct test t;
	int before, r;

	if (fd < 0)
		return vmgen_source_force(NULL);
	r = test_map(fd, &t);
	if (r < 0)
		return r;
	l = layout(&t);
	test_unmap(&t);
	before = __atomic_exchange_n(&installed, fd, __ATOMIC_ACQ_REL);
	r = vmgen_source_force(l->backend);
	if (r < 0)
		__atomic_store_n(&installed, before, __ATOMIC_RELEASE);
	return r;
}

int vmgen_test_bump(int fd)
{
	struct test t;
	int r = test_map(fd, &t);

	if (r < 0)
		return r;
	test_set(&t, load64(&t.control->live) + 1);
	r = is_software(&t);
	test_unmap(&t);
	/* Only the hypervisor knows so far. */
	if (!r)
		test_poke(fd, VMGEN_TEST_RESTORE);
	return 0;
}

int vmgen_test_ready(int fd)
{
	struct test t;
	int r = test_map(fd, &t);

	if (r < 0)
		return r;
	if (layout(&t)->ready)
		layout(&t)->ready(&t);
	test_unmap(&t);
	test_poke(fd, VMGEN_TEST_RESTORE);
	return 0;
}

int vmgen_test_set(int fd, uint64_t generation)
{
	struct test t;
	int r = test_map(fd, &t);

	if (r < 0)
		return r;
	test_set(&t, generation);
	r = is_software(&t);
	test_unmap(&t);
	if (!r)
		test_poke(fd, VMGEN_TEST_RESTORE);
	return 0;
}

int vmgen_test_fault(int fd, enum vmgen_test_fault fault)
{
	struct test t;
	int r;

	if ((unsigned int)fault > VMGEN_TEST_SHORT)
		return -EINVAL;
	r = test_map(fd, &t);
	if (r < 0)
		return r;
	r = apply_fault(&t, fault);
	test_unmap(&t);
	test_poke(fd, fault);
	return r;
}

int vmgen_test_reads(int fd)
{
	struct test t;
	int r = test_map(fd, &t);

	if (r < 0)
		return r;
	r = (int)LOAD(&t.control->reads);
	test_unmap(&t);
	return r;
}
