/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The test backend: a memfd with the two pages of /dev/vmgenctr and a third for
 * what the hypervisor and the driver would know.  Mapping, parsing and waiting are
 * those of the real backend; this file plays the hypervisor and the driver.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/vmgenctr.h>

#include "lib.h"
#include "vmgen-test.h"

#define TEST_MAGIC	0x54474d56	/* "VMGT" */
#define TEST_PAGES	3

struct control {
	uint32_t magic;
	uint32_t flags;		/* VMGEN_TEST_* */
	uint32_t fault;		/* enum vmgen_test_fault */
	uint32_t reads;
	uint64_t live;		/* the generation that the hypervisor is in */
};

struct test {
	struct vmgenctr_generation_page *page;
	struct vmgenctr_status_page *status;
	struct control *control;
};

static int installed = -1;

#define STORE(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define LOAD(p)		__atomic_load_n((p), __ATOMIC_ACQUIRE)

/* All 64-bit fields are aligned to eight bytes, which their type does not tell. */
static void store64(void *p, uint64_t value)
{
	__atomic_store_n((vmgen_word *)p, value, __ATOMIC_RELEASE);
}

static uint64_t load64(const void *p)
{
	return __atomic_load_n((const vmgen_word *)p, __ATOMIC_ACQUIRE);
}

static void test_unmap(struct test *t)
{
	munmap(t->page, TEST_PAGES * vmgen_page_size());
}

/* Mapped anew for each operation: there is nothing to keep and nothing to free. */
static int test_map(int fd, struct test *ret)
{
	size_t page = vmgen_page_size();
	struct stat st;
	char *base;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != (off_t)(TEST_PAGES * page))
		return -EINVAL;
	base = mmap(NULL, TEST_PAGES * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	ret->page = (void *)base;
	ret->status = (void *)(base + page);
	ret->control = (void *)(base + 2 * page);
	if (LOAD(&ret->control->magic) == TEST_MAGIC)
		return 0;
	test_unmap(ret);
	return -EINVAL;
}

/* Different for each generation; a real instance id differs between siblings too. */
static void make_id(uint8_t id[16], uint64_t generation)
{
	uint64_t word = generation * UINT64_C(0x9e3779b97f4a7c15);

	memset(id, 0x55, 16);
	memcpy(id, &word, sizeof(word));
}

/* The hypervisor's part of a restore. */
static void hypervisor_set(struct test *t, uint64_t generation)
{
	store64(&t->control->live, generation);
	if (LOAD(&t->control->fault) == VMGEN_TEST_REMOVE ||
	    (LOAD(&t->control->flags) & VMGEN_TEST_SOFTWARE))
		return;
	store64(&t->page->generation, htole64(generation));
}

/*
 * The driver's part: be ready for the generation that is returned.  Several readers may
 * get here at once; the sequence count admits one of them, and the others need not
 * wait: their answer is the same.
 */
static uint64_t driver_update(struct test *t)
{
	uint64_t live = load64(&t->control->live);
	struct vmgenctr_status_page *s = t->status;
	uint32_t seq = LOAD(&s->seq_count);
	uint8_t id[16];
	int i;

	if (LOAD(&t->control->flags) & VMGEN_TEST_SOFTWARE)
		store64(&t->page->generation, htole64(live));
	if (load64(&s->ready_generation) == live || (seq & 1) ||
	    !__atomic_compare_exchange_n(&s->seq_count, &seq, seq + 1, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return live;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	make_id(id, live);
	for (i = 0; i < 16; i++)
		STORE(&s->instance_id[i], id[i]);
	store64(&s->flags, VMGENCTR_STATUS_F_CRNG_RESEEDED);
	store64(&s->ready_generation, live);
	__atomic_store_n(&s->seq_count, seq + 2, __ATOMIC_RELEASE);
	return live;
}

static void write_headers(struct test *t)
{
	bool software = LOAD(&t->control->flags) & VMGEN_TEST_SOFTWARE;

	STORE(&t->page->magic, htole32(VMGENCTR_GENERATION_MAGIC));
	STORE(&t->page->size, htole32(sizeof(*t->page)));
	STORE(&t->page->version, htole16(VMGENCTR_VERSION));
	STORE(&t->page->seq_count, htole32(0));
	store64(&t->page->flags,
		htole64(software ? 0 : (uint64_t)VMGENCTR_F_HYPERVISOR));
	STORE(&t->status->magic, VMGENCTR_STATUS_MAGIC);
	STORE(&t->status->size, (uint32_t)sizeof(*t->status));
	STORE(&t->status->version, VMGENCTR_VERSION);
	STORE(&t->status->seq_count, 0);
}

static void driver_remove(struct test *t)
{
	store64(&t->page->generation, 0);
	store64(&t->status->flags, 0);
	store64(&t->status->ready_generation, 0);
}

/* Bound again, software mode takes a new generation: it cannot know what it missed. */
static void driver_restore(struct test *t, uint32_t before)
{
	bool software = LOAD(&t->control->flags) & VMGEN_TEST_SOFTWARE;

	write_headers(t);
	if (before != VMGEN_TEST_REMOVE)
		return;
	hypervisor_set(t, load64(&t->control->live) + software);
	driver_update(t);
}

static void apply_fault(struct test *t, enum vmgen_test_fault fault)
{
	uint32_t before = __atomic_exchange_n(&t->control->fault, (uint32_t)fault,
					      __ATOMIC_ACQ_REL);

	if (fault == VMGEN_TEST_RESTORE) {
		driver_restore(t, before);
	} else if (fault == VMGEN_TEST_REMOVE) {
		driver_remove(t);
	} else if (fault == VMGEN_TEST_TEAR) {
		STORE(&t->page->seq_count, htole32(1));
		STORE(&t->status->seq_count, 1);
	} else if (fault == VMGEN_TEST_GARBAGE) {
		STORE(&t->page->magic, 0);
		STORE(&t->status->magic, 0);
	} else if (fault == VMGEN_TEST_VERSION) {
		STORE(&t->page->version, htole16(VMGENCTR_VERSION + 1));
		STORE(&t->status->version, VMGENCTR_VERSION + 1);
	} else if (fault == VMGEN_TEST_SHRINK) {
		STORE(&t->page->size, htole32(sizeof(*t->page) - 1));
		STORE(&t->status->size, (uint32_t)sizeof(*t->status) - 1);
	}
}

static int test_open(void)
{
	int fd = __atomic_load_n(&installed, __ATOMIC_ACQUIRE);
	struct test t;
	uint32_t fault;
	int r = test_map(fd, &t);

	if (r < 0)
		return r;
	fault = LOAD(&t.control->fault);
	test_unmap(&t);
	if (fault == VMGEN_TEST_REMOVE)
		return -ENOENT;
	if (fault == VMGEN_TEST_DENY)
		return -EACCES;
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/* read(2), as the driver answers it. */
static int driver_read(struct test *t, struct vmgenctr_info *ret)
{
	uint32_t fault = LOAD(&t->control->fault);

	__atomic_fetch_add(&t->control->reads, 1, __ATOMIC_RELAXED);
	if (fault == VMGEN_TEST_REMOVE)
		return -ENODEV;
	if (fault == VMGEN_TEST_SHORT)
		return -EBADMSG;
	if (fault == VMGEN_TEST_WEDGE)
		ret->generation = load64(&t->status->ready_generation);
	else
		ret->generation = driver_update(t);
	ret->flags = VMGENCTR_INFO_F_CRNG_RESEEDED;
	if (!(LOAD(&t->control->flags) & VMGEN_TEST_SOFTWARE))
		ret->flags |= VMGENCTR_INFO_F_HYPERVISOR;
	make_id(ret->instance_id, ret->generation);
	return 0;
}

static int test_read(struct source *s, struct vmgenctr_info *ret)
{
	int fd = vmgen_source_fd(s);
	struct test t;
	int r;

	if (fd < 0)
		return fd;
	r = test_map(fd, &t);
	if (r < 0)
		return r;
	r = driver_read(&t, ret);
	test_unmap(&t);
	return r;
}

const struct backend vmgen_backend_test = {
	.word = offsetof(struct vmgenctr_generation_page, generation),
	.open = test_open,
	.map = vmgenctr_map,
	.sync = vmgenctr_sync,
	.read = test_read,
};

int vmgen_test_create(unsigned int flags)
{
	off_t size = (off_t)(TEST_PAGES * vmgen_page_size());
	uint32_t magic = TEST_MAGIC;
	struct test t;
	int fd, r;

	if (flags & ~VMGEN_TEST_SOFTWARE)
		return -EINVAL;
	fd = memfd_create("vmgen-test", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, size) < 0 ||
	    pwrite(fd, &magic, sizeof(magic), 2 * size / TEST_PAGES) < 0)
		r = -errno;
	else
		r = test_map(fd, &t);
	if (r < 0) {
		close(fd);
		return r;
	}
	STORE(&t.control->flags, flags);
	write_headers(&t);
	hypervisor_set(&t, 1);
	driver_update(&t);
	test_unmap(&t);
	return fd;
}

int vmgen_test_install(int fd)
{
	struct test t;
	int before, r;

	if (fd < 0)
		return vmgen_source_force(NULL);
	r = test_map(fd, &t);
	if (r < 0)
		return r;
	test_unmap(&t);
	before = __atomic_exchange_n(&installed, fd, __ATOMIC_ACQ_REL);
	r = vmgen_source_force(&vmgen_backend_test);
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
	hypervisor_set(&t, load64(&t.control->live) + 1);
	test_unmap(&t);
	return 0;
}

int vmgen_test_ready(int fd)
{
	struct test t;
	int r = test_map(fd, &t);

	if (r < 0)
		return r;
	driver_update(&t);
	test_unmap(&t);
	return 0;
}

int vmgen_test_set(int fd, uint64_t generation)
{
	struct test t;
	int r = test_map(fd, &t);

	if (r < 0)
		return r;
	hypervisor_set(&t, generation);
	test_unmap(&t);
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
	apply_fault(&t, fault);
	test_unmap(&t);
	return 0;
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
