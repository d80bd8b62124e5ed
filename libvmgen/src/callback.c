/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The callbacks of one watch, in the order in which they run.  They may add and remove
 * callbacks, themselves among them, so that nothing is freed while any of them runs.
 */
#include <stdlib.h>

#include "watch.h"

struct callback {
	struct callback *next;
	vmgen_watch_fn *fn;	/* NULL: removed while callbacks were running */
	void *ctx;
	int order;
	bool fresh;		/* added while callbacks were running */
};

static struct callback *callback_find(const struct callbacks *all, vmgen_watch_fn *fn,
				      void *ctx)
{
	struct callback *c = all->first;

	while (c && (c->fn != fn || c->ctx != ctx))
		c = c->next;
	return c;
}

/* Behind all of the same order: that is the order in which they were added. */
static void callback_insert(struct callbacks *all, struct callback *c)
{
	struct callback **at = &all->first;

	while (*at && (*at)->order <= c->order)
		at = &(*at)->next;
	c->next = *at;
	*at = c;
}

int vmgen_callbacks_add(struct callbacks *all, int order, vmgen_watch_fn *fn, void *ctx)
{
	struct callback *c;

	if (!fn)
		return -EINVAL;
	if (callback_find(all, fn, ctx))
		return -EEXIST;
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->fn = fn;
	c->ctx = ctx;
	c->order = order;
	c->fresh = all->running;
	callback_insert(all, c);
	return 0;
}

static void callbacks_sweep(struct callbacks *all)
{
	struct callback **at = &all->first, *c;

	while ((c = *at)) {
		c->fresh = false;
		if (c->fn) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		free(c);
	}
}

int vmgen_callbacks_remove(struct callbacks *all, vmgen_watch_fn *fn, void *ctx)
{
	struct callback *c = fn ? callback_find(all, fn, ctx) : NULL;

	if (!c)
		return -ENOENT;
	c->fn = NULL;
	if (!all->running)
		callbacks_sweep(all);
	return 0;
}

void vmgen_callbacks_run(struct callbacks *all, const struct vmgen_info *now)
{
	struct callback *c;

	all->running = true;
	for (c = all->first; c; c = c->next)
		if (c->fn && !c->fresh)
			c->fn(c->ctx, now);
	all->running = false;
	callbacks_sweep(all);
}

/* Those that have not run yet when this is called by one that runs never will. */
void vmgen_callbacks_clear(struct callbacks *all)
{
	struct callback *c;

	for (c = all->first; c; c = c->next)
		c->fn = NULL;
	if (!all->running)
		callbacks_sweep(all);
}
