/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a view costs: the time to protect memory, the answer to a write fault, the
 * throughput of reads.  Prints a table.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (UINT64_C(512) << 20)

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double reply_us(const char *reply)
{
	const char *at = strstr(reply, "\"us\":");

	CHECK(at);
	return atof(at + 5);
}

/* Of a thread of the machine that writes one frame after the other. */
static void faults(struct standin *m, double *us, int n)
{
	atomic_store(&m->shared->timed, n);
	while (atomic_load(&m->shared->timed))
		usleep(1000);
	for (int i = 0; i < n; i++)
		us[i] = m->shared->us[i];
	qsort(us, n, sizeof(*us), by_value);
}

static double throughput(struct view *v, size_t piece)
{
	char *buf = malloc(piece);
	int fd = view_open(v);
	double start = now();

	for (uint64_t at = 0; at < SIZE; at += piece)
		CHECK(pread(fd, buf, piece, at) == (ssize_t)piece);
	close(fd);
	free(buf);
	return SIZE / (now() - start);
}

static void row(const char *what, double value, const char *unit)
{
	printf("%-52s %10.1f %s\n", what, value, unit);
}

int main(void)
{
	static double us[STANDIN_TIMED];
	struct standin m;
	struct view v;
	int n = STANDIN_TIMED;

	need_root();
	standin_start(&m, 1, 1, SIZE, 0);
	standin_write_all(&m);
	standin_stop(&m);
	view_start(&v, &m, NULL);
	row("protect 1 GiB of populated memory", 2 * reply_us(view_ask(&v, "{\"op\": \"freeze\"}")),
	    "us");
	row("read all, empty cache, no frame kept", throughput(&v, 1 << 20), "MB/s");
	row("read all again, from the page cache", throughput(&v, 1 << 20), "MB/s");
	standin_cont(&m);
	faults(&m, us, n);
	row("write fault, 1 percent below", us[n / 100], "us");
	row("write fault, median", us[n / 2], "us");
	row("write fault, 90 percent below", us[n * 9 / 10], "us");
	row("write fault, 99 percent below", us[n * 99 / 100], "us");
	row("write fault, longest", us[n - 1], "us");
	standin_stop(&m);
	view_end(&v);
	standin_kill(&m);
	return 0;
}
