/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Of several devices the first that works is taken, whatever is wrong with those before
 * it.  When none works, the status is that of the one which says most.
 */
#include "../src/lib.h"
#include "test.h"

#define DEVICES	3

/* What open() says; 0 is a device that works. */
static int results[DEVICES];
static int opened;

static int open_as(int i)
{
	opened = i;
	return results[i] < 0 ? results[i] : vmgen_sys_open("/dev/null");
}

static int open_0(void) { return open_as(0); }
static int open_1(void) { return open_as(1); }
static int open_2(void) { return open_as(2); }

static int map(struct source *s, int fd)
{
	(void)s;
	(void)fd;
	return 0;
}

/* One that opens, but turns out to be none when it is mapped. */
static int map_none(struct source *s, int fd)
{
	(void)s;
	(void)fd;
	return -ENODEV;
}

static struct backend devices[DEVICES] = {
	{ .open = open_0, .map = map },
	{ .open = open_1, .map = map },
	{ .open = open_2, .map = map },
};

static const struct backend *const list[DEVICES] = {
	&devices[0], &devices[1], &devices[2],
};

static int probe(struct source **ret)
{
	int r = vmgen_probe_list(list, DEVICES, ret);

	if (r == 0)
		vmgen_frame_free(*ret);
	return r;
}

static void the_first_that_works(void)
{
	static const int cases[][DEVICES + 1] = {
		{ 0, 0, 0, 0 },
		{ -ENOENT, 0, 0, 1 },
		{ -EACCES, 0, 0, 1 },
		{ -EBADMSG, -EACCES, 0, 2 },
		{ -EMFILE, 0, -EACCES, 1 },
	};
	struct source *s;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(results, cases[i], sizeof(results));
		CHECK(probe(&s) == 0);
		CHECK(opened == cases[i][DEVICES]);
	}
}

static void what_is_said_of_none(void)
{
	static const int cases[][DEVICES + 1] = {
		{ -ENOENT, -ENOENT, -ENOENT, -ENOENT },
		{ -ENOENT, -ENXIO, -ENODEV, -ENXIO },
		{ -ENOENT, -ENXIO, -EACCES, -EACCES },
		{ -EACCES, -ENOENT, -ENOENT, -EACCES },
		{ -ENOENT, -ENOENT, -EACCES, -EACCES },
		{ -EACCES, -EBADMSG, -ENOENT, -EBADMSG },
		{ -EMFILE, -EACCES, -ENOENT, -EMFILE },
		{ -ENOENT, -EACCES, -EMFILE, -EMFILE },
		{ -EMFILE, -EBADMSG, -ENOENT, -EMFILE },
	};
	struct source *s;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(results, cases[i], sizeof(results));
		CHECK(probe(&s) == cases[i][DEVICES]);
		CHECK(vmgen_is_absent(cases[i][DEVICES]) ==
		      (cases[i][DEVICES] != -EBADMSG && cases[i][DEVICES] != -EMFILE));
	}
}

/* No descriptor and no memory is left of those that were passed over. */
static void nothing_is_left(void)
{
	struct source *s;
	int i, before = vmgen_sys_open("/dev/null");

	close(before);
	devices[0].map = map_none;
	memset(results, 0, sizeof(results));
	for (i = 0; i < 100; i++) {
		CHECK(probe(&s) == 0);
		CHECK(opened == 1);
	}
	devices[0].map = map;
	i = vmgen_sys_open("/dev/null");
	CHECK(i == before);
	close(i);
}

int main(void)
{
	the_first_that_works();
	what_is_said_of_none();
	nothing_is_left();
	return 0;
}
