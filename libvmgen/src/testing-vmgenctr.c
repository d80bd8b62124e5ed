/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What a hypervisor with a counter, and the driver of /dev/vmgenctr, do to its pages. */
#include <endian.h>
#include <fcntl.h>
#include <unistd.h>

#include <linux/vmgenctr.h>

#include "testing.h"

static struct vmgenctr_generation_page *page_of(const struct test *t)
{
	return (void *)t->page;
}

static struct vmgenctr_status_page *status_of(const struct test *t)
{
	return (void *)t->status;
}

/*
 * Different for each generation; a real instance id differs between siblings too.  By
 * hand: how many instructions a memset() takes depends on where the stack happens to be,
 * and tests count them.
 */
static void make_id(uint8_t id[16], uint64_t generation)
{
	uint64_t word = generation * UINT64_C(0x9e3779b97f4a7c15);
	int i;

	for (i = 0; i < 16; i++)
		id[i] = i < 8 ? (uint8_t)(word >> 8 * i) : 0x55;
}

static void format(struct test *t)
{
	struct vmgenctr_generation_page *page = page_of(t);
	struct vmgenctr_status_page *status = status_of(t);

	STORE(&page->magic, htole32(VMGENCTR_GENERATION_MAGIC));
	STORE(&page->size, htole32(sizeof(*page)));
	STORE(&page->version, htole16(VMGENCTR_VERSION));
	STORE(&page->seq_count, htole32(0));
	store64(&page->flags, htole64(is_software(t) ? 0 : (uint64_t)VMGENCTR_F_HYPERVISOR));
	STORE(&status->magic, VMGENCTR_STATUS_MAGIC);
	STORE(&status->size, (uint32_t)sizeof(*status));
	STORE(&status->version, VMGENCTR_VERSION);
	STORE(&status->seq_count, 0);
}

/* A driver that is not there has taken the page with it; in software mode it writes it. */
static void set(struct test *t, uint64_t generation)
{
	if (LOAD(&t->control->fault) == VMGEN_TEST_REMOVE || is_software(t))
		return;
	store64(&page_of(t)->generation, htole64(generation));
}

/*
 * Be ready for the generation that is returned.  Several readers may get here at once;
 * the sequence count admits one of them, and the others need not wait: their answer is
 * the same.
 */
static uint64_t update(struct test *t)
{
	uint64_t live = load64(&t->control->live);
	struct vmgenctr_status_page *s = status_of(t);
	uint32_t seq = LOAD(&s->seq_count);
	uint8_t id[16];
	int i;

	if (is_software(t))
		store64(&page_of(t)->generation, htole64(live));
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

static void ready(struct test *t)
{
	update(t);
}

static void unbind(struct test *t)
{
	store64(&page_of(t)->generation, 0);
	store64(&status_of(t)->flags, 0);
	store64(&status_of(t)->ready_generation, 0);
}

static int fault(struct test *t, enum vmgen_test_fault fault)
{
	struct vmgenctr_generation_page *page = page_of(t);
	struct vmgenctr_status_page *status = status_of(t);

	if (fault == VMGEN_TEST_REMOVE) {
		unbind(t);
	} else if (fault == VMGEN_TEST_TEAR) {
		STORE(&page->seq_count, htole32(1));
		STORE(&status->seq_count, 1);
	} else if (fault == VMGEN_TEST_GARBAGE) {
		STORE(&page->magic, 0);
		STORE(&status->magic, 0);
	} else if (fault == VMGEN_TEST_VERSION) {
		STORE(&page->version, htole16(VMGENCTR_VERSION + 1));
		STORE(&status->version, VMGENCTR_VERSION + 1);
	} else if (fault == VMGEN_TEST_SHRINK) {
		STORE(&page->size, htole32(sizeof(*page) - 1));
		STORE(&status->size, (uint32_t)sizeof(*status) - 1);
	}
	return 0;
}

/* Bound again, software mode takes a new generation: it cannot know what it missed. */
static void restore(struct test *t, enum vmgen_test_fault before)
{
	if (before != VMGEN_TEST_REMOVE)
		return;
	store64(&t->control->live, load64(&t->control->live) + is_software(t));
	set(t, load64(&t->control->live));
	update(t);
}

/* What the driver answers to read(2). */
static int answer(struct test *t, struct vmgenctr_info *ret)
{
	uint32_t fault = LOAD(&t->control->fault);

	__atomic_fetch_add(&t->control->reads, 1, __ATOMIC_RELAXED);
	if (fault == VMGEN_TEST_REMOVE)
		return -ENODEV;
	if (fault == VMGEN_TEST_SHORT)
		return -EBADMSG;
	if (fault == VMGEN_TEST_WEDGE)
		ret->generation = load64(&status_of(t)->ready_generation);
	else
		ret->generation = update(t);
	ret->flags = VMGENCTR_INFO_F_CRNG_RESEEDED;
	if (!is_software(t))
		ret->flags |= VMGENCTR_INFO_F_HYPERVISOR;
	make_id(ret->instance_id, ret->generation);
	return 0;
}

/*
 * Asks for nothing, as for the device: only a directory says this, and another file of
 * that number loses nothing.
 */
static int device_read(struct source *s, struct vmgenctr_info *ret)
{
	int fd = LOAD(&s->fd);
	struct test t;

	if (fd < 0 || vmgen_sys_read(fd, NULL, 0) != -EISDIR)
		return -EBADF;
	vmgen_testing_at(s->status + vmgen_page_size(), &t);
	return answer(&t, ret);
}

static int seen(struct test *t, bool away, struct vmgen_info *ret)
{
	struct vmgenctr_info info;
	int r = away ? -ENODEV : answer(t, &info);

	if (r == 0)
		vmgenctr_info(ret, &info);
	return r;
}

/* From now on the number stands for a file that can be told from others by read(). */
static int become_directory(int fd)
{
	int directory = vmgen_sys_open("/"), r;

	if (directory < 0)
		return directory;
	r = dup3(directory, fd, O_CLOEXEC) < 0 ? -errno : 0;
	vmgen_sys_close(directory);
	return r;
}

static int map(struct source *s, int fd)
{
	int r = vmgenctr_map(s, fd);

	if (r == 0)
		r = vmgen_testing_map(s, fd);
	return r < 0 ? r : become_directory(fd);
}

static const struct backend backend = {
	.id = VMGEN_BACKEND_TEST,
	.reads = true,
	.word = offsetof(struct vmgenctr_generation_page, generation),
	.open = vmgen_testing_open,
	.again = vmgen_testing_again,
	.map = map,
	.sync = vmgenctr_sync,
	.read = device_read,
	.watch = vmgen_testing_watch,
	.seen = vmgen_testing_seen,
	.await = vmgen_testing_watch,
};

const struct layout vmgen_testing_vmgenctr = {
	.backend = &backend,
	.absent = -ENOENT,
	.format = format,
	.set = set,
	.ready = ready,
	.fault = fault,
	.restore = restore,
	.seen = seen,
};
