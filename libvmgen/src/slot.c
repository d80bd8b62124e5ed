/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A value that carries the generation it was made in.  A check ends some instructions
 * before the act that it allows, and a restore in between goes unseen.  A tag has no
 * such distance: it becomes visible in one store with its value, stays with it, and
 * whoever takes the value compares as late as he can.
 */
#include <endian.h>

#include "lib.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* The first processors with 64 bits lack it.  To ask costs an exit from the guest. */
static bool can_swap(void)
{
	static uint32_t known;
	uint32_t ecx = __atomic_load_n(&known, __ATOMIC_RELAXED), eax, ebx, edx;

	if (!ecx) {
		if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx))
			ecx = 0;
		ecx |= 1u << 31;	/* asked; to a guest it is 1 anyway */
		__atomic_store_n(&known, ecx, __ATOMIC_RELAXED);
	}
	return ecx & bit_CMPXCHG16B;
}

/* In assembly, because compilers leave 16 bytes to libatomic, which may take a lock. */
static bool swap(vmgen_slot *s, vmgen_slot old, const vmgen_slot *new)
{
	bool done;

	__asm__ __volatile__("lock cmpxchg16b %[slot]"
			     : [slot] "+m"(*s), "+a"(old.tag), "+d"(old.value),
			       "=@ccz"(done)
			     : "b"(new->tag), "c"(new->value)
			     : "memory");
	return done;
}
#elif defined(__aarch64__)
static bool can_swap(void)
{
	return true;
}

/* What was loaded is one value only if it, or another, could be stored in its place. */
static bool swap(vmgen_slot *s, vmgen_slot old, const vmgen_slot *new)
{
	uint64_t tag, value;
	uint32_t failed;

	__asm__ __volatile__("1:	ldaxp	%[tag], %[value], %[slot]\n\t"
			     "cmp	%[tag], %[old_tag]\n\t"
			     "ccmp	%[value], %[old_value], #0, eq\n\t"
			     "csel	%[tag], %[new_tag], %[tag], eq\n\t"
			     "csel	%[value], %[new_value], %[value], eq\n\t"
			     "stlxp	%w[failed], %[tag], %[value], %[slot]\n\t"
			     "cbnz	%w[failed], 1b\n\t"
			     "cset	%w[failed], ne"
			     : [slot] "+Q"(*s), [tag] "=&r"(tag), [value] "=&r"(value),
			       [failed] "=&r"(failed)
			     : [old_tag] "r"(old.tag), [old_value] "r"(old.value),
			       [new_tag] "r"(new->tag), [new_value] "r"(new->value)
			     : "cc", "memory");
	return !failed;
}
#else
static bool can_swap(void)
{
	return false;
}

static bool swap(vmgen_slot *s, vmgen_slot old, const vmgen_slot *new)
{
	(void)s;
	(void)old;
	(void)new;
	return false;
}
#endif

/* Maybe half of one value and half of another: swap() compares both halves at once. */
static vmgen_slot slot_read(const vmgen_slot *s)
{
	vmgen_slot old;

	old.tag = __atomic_load_n(&s->tag, __ATOMIC_ACQUIRE);
	old.value = __atomic_load_n(&s->value, __ATOMIC_RELAXED);
	return old;
}

/* A record is the generation plus one, in the byte order of the page: as a tag is. */
static int epoch_tag(vmgen_epoch e, uint64_t *ret)
{
	const vmgen_word *record = (const vmgen_word *)(uintptr_t)e;
	uint64_t word;

	if (!e)
		return -ESTALE;
	if (record == VMGEN_UNCHECKED)
		return -EIO;
	word = vmgen_record(record);
	if (!word)
		return -ESTALE;
	*ret = le64toh(word - 1) + 1;
	return 0;
}

static int slot_tag(const vmgen_slot *s, vmgen_epoch e, uint64_t *ret)
{
	if ((uintptr_t)s % sizeof(*s))
		return -EINVAL;
	if (!can_swap())
		return -EOPNOTSUPP;
	return epoch_tag(e, ret);
}

/*
 * The tag is that of the epoch, never that of the live word: a restore before the swap
 * must not make an old value a new one.  The slot is read before the check, so that
 * what a newer epoch has left there in the meantime makes the swap fail.
 */
int vmgen_commit(const vmgen_guard *g, vmgen_epoch e, vmgen_slot *s, uint64_t value)
{
	vmgen_slot old, new = { .value = value };
	int r = slot_tag(s, e, &new.tag);

	if (r < 0)
		return r;
	do {
		old = slot_read(s);
		if (vmgen_retry(g, e))
			return -ESTALE;
		if (old.tag == new.tag)
			return -EAGAIN;
	} while (!swap(s, old, &new));
	return 0;
}

/* The check is last: what remains is the way from here to what the caller does. */
int vmgen_take(const vmgen_guard *g, vmgen_epoch e, vmgen_slot *s, uint64_t *ret)
{
	const vmgen_slot empty = VMGEN_SLOT_INIT;
	vmgen_slot old;
	uint64_t tag;
	int r = slot_tag(s, e, &tag);

	if (r < 0)
		return r;
	do {
		old = slot_read(s);
		if (old.tag != tag)
			return -EAGAIN;
	} while (!swap(s, old, &empty));
	if (vmgen_retry(g, e))
		return -ESTALE;
	*ret = old.value;
	return 0;
}
