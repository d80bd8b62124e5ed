/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Which process is this?  A number that none of its ancestors has had, so that what
 * a guard or a vmgen_once remembers of a parent can be told from what is its own.
 * It lives in memory that fork() wipes, hence is good for a raw clone(), too; a
 * process id is not, because it may be used again.
 */
#include <sys/mman.h>

#include "lib.h"

struct identity {
	uint32_t number;	/* 0: a child that nobody has asked yet */
};

static struct identity *identity;
static uint32_t numbers;	/* handed out, here and in all ancestors */

static struct identity *identity_new(void)
{
	struct identity *id = mmap(NULL, vmgen_page_size(), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (id == MAP_FAILED)
		return NULL;
	(void)vmgen_fork_wipe(id, vmgen_page_size());
	return id;
}

/* Published as a source is: who loses the race takes the winner's. */
static struct identity *identity_publish(struct identity *new)
{
	struct identity *id = NULL;

	if (!new || __atomic_compare_exchange_n(&identity, &id, new, false,
						__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return new;
	munmap(new, vmgen_page_size());
	return id;
}

/* For a signal handler's sake, errno is as it was: to probe the kernel sets it. */
static struct identity *identity_get(void)
{
	struct identity *id = __atomic_load_n(&identity, __ATOMIC_ACQUIRE);
	int saved = errno;

	if (id)
		return id;
	id = identity_publish(identity_new());
	errno = saved;
	return id;
}

/* 0: there is no memory to remember it in. */
uint32_t vmgen_process(void)
{
	struct identity *id = identity_get();
	uint32_t number, before = 0;

	if (!id)
		return 0;
	number = __atomic_load_n(&id->number, __ATOMIC_RELAXED);
	if (number)
		return number;
	number = __atomic_add_fetch(&numbers, 1, __ATOMIC_RELAXED);
	if (__atomic_compare_exchange_n(&id->number, &before, number, false,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return number;
	return before;
}

/* What the kernel does in the child of a fork, if it can. */
void vmgen_process_forget(void)
{
	struct identity *id = __atomic_load_n(&identity, __ATOMIC_ACQUIRE);

	if (id)
		__atomic_store_n(&id->number, 0, __ATOMIC_RELAXED);
}
