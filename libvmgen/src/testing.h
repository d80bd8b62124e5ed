/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The test backend: a memfd with two pages as a device shows them, and a third for
 * what the hypervisor and the driver would know.  Mapping, parsing and waiting are
 * those of the real backends; what is played is how each hypervisor and driver writes.
 */
#ifndef VMGEN_TESTING_H
#define VMGEN_TESTING_H

#include "lib.h"
#include "vmgen-test.h"

#define TEST_PAGES	3

struct control {
	uint32_t magic;
	uint32_t flags;		/* VMGEN_TEST_* */
	uint32_t fault;		/* enum vmgen_test_fault */
	uint32_t reads;
	uint64_t live;		/* the generation that the hypervisor is in */
};

struct test {
	char *page;
	char *status;
	struct control *control;
};

/* One kind of device.  A function that is not there has nothing to do. */
struct layout {
	const struct backend *backend;
	int absent;		/* what open() says in VMGEN_TEST_REMOVE, or 0 */
	void (*format)(struct test *t);			/* whole, without a generation */
	void (*set)(struct test *t, uint64_t generation);	/* the hypervisor's part */
	void (*ready)(struct test *t);			/* the driver's part */
	int (*fault)(struct test *t, enum vmgen_test_fault fault);
	void (*restore)(struct test *t, enum vmgen_test_fault before);
	/* What a watch gets to know, which was open while the device was away or not. */
	int (*seen)(struct test *t, bool away, struct vmgen_info *ret);
};

extern const struct layout vmgen_testing_vmgenctr;	/* testing-vmgenctr.c */
extern const struct layout vmgen_testing_vmclock;	/* testing-vmclock.c */
extern const struct layout vmgen_testing_sysgenid;	/* testing-sysgenid.c */

/* testing.c */
int vmgen_testing_open(void);
int vmgen_testing_again(const struct source *s);
void vmgen_testing_at(char *base, struct test *ret);
int vmgen_testing_map(struct source *s, int fd);
int vmgen_testing_watch(void);
int vmgen_testing_seen(int fd, struct vmgen_info *ret);

#define STORE(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define LOAD(p)		__atomic_load_n((p), __ATOMIC_ACQUIRE)

/* All 64-bit fields are aligned to eight bytes, which their type does not tell. */
static inline void store64(void *p, uint64_t value)
{
	__atomic_store_n((vmgen_word *)p, value, __ATOMIC_RELEASE);
}

static inline uint64_t load64(const void *p)
{
	return __atomic_load_n((const vmgen_word *)p, __ATOMIC_ACQUIRE);
}

static inline bool is_software(const struct test *t)
{
	return LOAD(&t->control->flags) & VMGEN_TEST_SOFTWARE;
}

#endif /* VMGEN_TESTING_H */
