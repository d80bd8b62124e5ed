/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Callbacks run in order, once for each change, when the kernel is ready for it; they
 * may add and remove callbacks.
 */
#include "watch.h"

struct call {
	char name;
	vmgen_watch *w;
	void (*act)(struct call *self);
	struct call *other;
};

static char calls[64];
static struct vmgen_info last;

static void called(void *ctx, const struct vmgen_info *now)
{
	struct call *self = ctx;
	size_t n = strlen(calls);

	CHECK(n + 1 < sizeof(calls));
	calls[n] = self->name;
	last = *now;
	if (self->act)
		self->act(self);
}

/* What ran since the last time. */
static bool ran(const char *names)
{
	bool same = !strcmp(calls, names);

	if (!same)
		fprintf(stderr, "ran '%s' and not '%s'\n", calls, names);
	memset(calls, 0, sizeof(calls));
	return same;
}

static void change(vmgen_watch *w, int fd)
{
	struct vmgen_info now;

	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_watch_dispatch(w, &now) == 1);
	CHECK(!memcmp(&now, &last, sizeof(now)));
}

static void in_order_and_once(int fd)
{
	struct call a = { .name = 'a' }, b = { .name = 'b' }, c = { .name = 'c' },
		    d = { .name = 'd' };
	vmgen_watch *w = watch(), *other = watch();

	CHECK(vmgen_watch_add(w, 0, NULL, NULL) == -EINVAL);
	CHECK(vmgen_watch_add(w, 0, called, &b) == 0);
	CHECK(vmgen_watch_add(w, 10, called, &d) == 0);
	CHECK(vmgen_watch_add(w, 0, called, &c) == 0);
	CHECK(vmgen_watch_add(w, -10, called, &a) == 0);
	CHECK(vmgen_watch_add(w, 7, called, &a) == -EEXIST);
	CHECK(vmgen_watch_dispatch(w, NULL) == 0 && ran(""));
	change(w, fd);
	CHECK(ran("abcd"));
	CHECK(vmgen_watch_dispatch(w, NULL) == 0 && ran(""));
	CHECK(vmgen_test_ready(fd) == 0);
	CHECK(vmgen_watch_dispatch(w, NULL) == 0 && ran(""));
	CHECK(vmgen_watch_dispatch(other, NULL) == 1 && ran(""));
	CHECK(vmgen_test_bump(fd) == 0);
	change(w, fd);
	CHECK(ran("abcd"));
	CHECK(vmgen_watch_remove(w, called, &b) == 0);
	CHECK(vmgen_watch_remove(w, called, &b) == -ENOENT);
	CHECK(vmgen_watch_remove(w, NULL, &b) == -ENOENT);
	change(w, fd);
	CHECK(ran("acd"));
	vmgen_watch_free(w);
	vmgen_watch_free(other);
}

static void remove_other(struct call *self)
{
	CHECK(vmgen_watch_remove(self->w, called, self->other) == 0);
	CHECK(vmgen_watch_remove(self->w, called, self->other) == -ENOENT);
}

static void add_other(struct call *self)
{
	CHECK(vmgen_watch_add(self->w, 5, called, self->other) == 0);
	self->act = NULL;
}

static void replace_other(struct call *self)
{
	CHECK(vmgen_watch_remove(self->w, called, self->other) == 0);
	CHECK(vmgen_watch_add(self->w, 5, called, self->other) == 0);
}

static void from_inside(int fd)
{
	vmgen_watch *w = watch();
	struct call c = { .name = 'c' }, d = { .name = 'd' };
	struct call a = { 'a', w, remove_other, NULL }, b = { 'b', w, add_other, &d };

	a.other = &a;
	CHECK(vmgen_watch_add(w, 0, called, &a) == 0);
	CHECK(vmgen_watch_add(w, 0, called, &b) == 0);
	CHECK(vmgen_watch_add(w, 9, called, &c) == 0);
	change(w, fd);
	/* What was added knows of this change. */
	CHECK(ran("abc"));
	change(w, fd);
	CHECK(ran("bdc"));
	b.act = remove_other;
	b.other = &c;
	change(w, fd);
	CHECK(ran("bd"));
	b.act = replace_other;
	b.other = &d;
	change(w, fd);
	CHECK(ran("b"));
	b.act = NULL;
	change(w, fd);
	CHECK(ran("bd"));
	vmgen_watch_free(w);
}

static void wait_inside(struct call *self)
{
	CHECK(vmgen_watch_dispatch(self->w, NULL) == -EBUSY);
	CHECK(vmgen_watch_wait(self->w, -1, NULL) == -EBUSY);
}

/* The change that comes while a callback runs is the next one. */
static void bump_inside(struct call *self)
{
	CHECK(vmgen_test_bump(*(int *)(void *)self->other) == 0);
	self->act = NULL;
}

static void changes_inside(int fd)
{
	vmgen_watch *w = watch();
	struct call a = { 'a', w, wait_inside, NULL }, b = { .name = 'b' };

	CHECK(vmgen_watch_add(w, 0, called, &a) == 0);
	CHECK(vmgen_watch_add(w, 0, called, &b) == 0);
	change(w, fd);
	CHECK(ran("ab"));
	a.act = bump_inside;
	a.other = (void *)&fd;
	change(w, fd);
	CHECK(ran("ab") && readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == 1 && ran("ab"));
	CHECK(vmgen_watch_dispatch(w, NULL) == 0 && ran(""));
	vmgen_watch_free(w);
}

static void free_inside(struct call *self)
{
	CHECK(vmgen_watch_free(self->w) == NULL);
}

static void freed_inside(int fd)
{
	vmgen_watch *w = watch();
	struct call a = { 'a', w, free_inside, NULL }, b = { .name = 'b' };

	CHECK(vmgen_watch_add(w, 0, called, &a) == 0);
	CHECK(vmgen_watch_add(w, 0, called, &b) == 0);
	change(w, fd);
	CHECK(ran("a"));
}

/* Nobody is told of a generation before the kernel is ready for it. */
static void when_ready(int fd)
{
	struct call a = { .name = 'a' };
	vmgen_watch *w = watch();

	CHECK(vmgen_watch_add(w, 0, called, &a) == 0);
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_WEDGE) == 0);
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == 0 && ran(""));
	CHECK(vmgen_test_fault(fd, VMGEN_TEST_RESTORE) == 0);
	CHECK(readable(w));
	CHECK(vmgen_watch_dispatch(w, NULL) == 1 && ran("a"));
	CHECK(last.flags & VMGEN_INFO_CRNG_RESEEDED);
	vmgen_watch_free(w);
}

int main(void)
{
	int fd = watchable_counter(0);

	in_order_and_once(fd);
	from_inside(fd);
	changes_inside(fd);
	freed_inside(fd);
	when_ready(fd);
	return 0;
}
