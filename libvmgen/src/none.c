/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What stands in for a counter where there is none: a page that only this process can
 * write, and records that fork() wipes.  A watch that is told of a change by a uevent
 * raises the number in the page.
 */
#include "lib.h"

static int none_sync(struct source *s, struct reading *ret)
{
	ret->word = vmgen_source_word(s);
	return __atomic_load_n(&s->error, __ATOMIC_RELAXED);
}

static const struct backend backend_none = {
	.id = VMGEN_BACKEND_NONE,
	.blind = true,
	.sync = none_sync,
};

/* @error is why there is no counter. */
int vmgen_none_new(int error, struct source **ret)
{
	int r = vmgen_frame_new(&backend_none, ret);

	if (r == 0)
		(*ret)->error = error;
	return r;
}

/* Several watches may read one and the same uevent: the largest number counts, and once. */
static void word_raise(vmgen_word *word, uint64_t number)
{
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (old < number)
		if (__atomic_compare_exchange_n(word, &old, number, false,
						__ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return;
}

/* A watch has read the uevent @number, or has lost one: 0. */
void vmgen_none_changed(uint64_t number)
{
	struct source *s = vmgen_source_current();

	if (s && s->ops->blind)
		word_raise((vmgen_word *)s->generation,
			   number ? number : vmgen_source_word(s) + 1);
}
