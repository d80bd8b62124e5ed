/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * window plain|changed|sync COUNT: calls getrandom() without pause, on the last CPU,
 * prints "drawing", and when it runs in another VM, writes its first COUNT draws there
 * to the port of the VM's number:
 *
 *	MICROSECONDS BYTES		eight, in hexadecimal
 *	...
 *	end ASKED
 *
 * The time is that of the end of the draw, counted from the beginning of the first
 * one.  What it does before each draw:
 *
 *   plain	nothing
 *   changed	vmgen_changed(), which looks at the mapped page
 *   sync	vmgen_sync(), which asks the kernel
 *
 * ASKED is what the library said last about a counter: 0, or a negative errno value.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <time.h>

#include <vmgen.h>

#include "guest.h"

#define DRAWS_MAX	65536

struct draw {
	unsigned int vm;
	int asked;
	int64_t begin, end;
	uint64_t bytes;
};

static vmgen_guard guard = VMGEN_GUARD_INIT;

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int ask_nobody(void)
{
	return 0;
}

static int ask_page(void)
{
	vmgen_changed(&guard);
	return 0;
}

static int ask_kernel(void)
{
	return vmgen_sync(NULL);
}

static const struct way {
	const char *name;
	int (*ask)(void);
} ways[] = {
	{ "plain", ask_nobody },
	{ "changed", ask_page },
	{ "sync", ask_kernel },
};

static const struct way *find_way(const char *name)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	fprintf(stderr, "window: no way %s\n", name);
	exit(2);
}

/* The number comes first: if it is new, all that follows runs after the restore. */
static void draw(struct draw *d, const struct way *way)
{
	d->vm = vm_number();
	d->begin = now();
	d->asked = way->ask();
	if (getrandom(&d->bytes, sizeof(d->bytes), 0) != sizeof(d->bytes))
		die("getrandom");
	d->end = now();
}

/* ACPI's work is done by the first CPU. */
static void run_on_last_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(get_nprocs() - 1, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static void tell(const struct draw *draws, int count)
{
	char line[64];

	for (int i = 0; i < count; i++) {
		sprintf(line, "%lld %016llx\n", (long long)(draws[i].end - draws[0].begin) / 1000,
			(unsigned long long)draws[i].bytes);
		vm_tell(line);
	}
	sprintf(line, "end %d\n", draws[count - 1].asked);
	vm_tell(line);
}

int main(int argc, char **argv)
{
	static struct draw draws[DRAWS_MAX];
	const struct way *way = find_way(argc == 3 ? argv[1] : "");
	int count = atoi(argv[2]);
	unsigned int parent;

	if (count < 1 || count > DRAWS_MAX)
		return 2;
	need_vm_number();
	run_on_last_cpu();
	vmgen_open();		/* a kernel without a counter is one of the subjects */
	memset(draws, 0xff, sizeof(draws));	/* nothing is to fault in later */
	parent = vm_number();
	draw(draws, way);
	puts("drawing");
	fflush(stdout);
	do
		draw(draws, way);
	while (draws[0].vm == parent);
	for (int i = 1; i < count; i++)
		draw(draws + i, way);
	tell(draws, count);
	return 0;
}
