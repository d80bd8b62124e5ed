/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Frames of 2 MiB, where the host has huge pages to give. */
#include <stdio.h>
#include <unistd.h>

#include "standin.h"

#define PAGE (2u << 20)
#define SIZE (8 * PAGE)

static long free_pages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	long n = 0;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

int main(void)
{
	struct standin m;
	struct view v;
	int fd;

	need_root();
	if (free_pages() < (long)(SIZE / PAGE))
		skip("the host has no 8 free huge pages of 2 MiB");
	standin_start(&m, 2, 1, SIZE, PAGE);
	standin_write_all(&m);
	view_start(&v, &m, NULL);
	CHECK(view_number(&v, "frames") == SIZE / PAGE);
	view_ok(&v, "{\"op\": \"arm\"}");
	standin_stop(&m);
	view_freeze(&v, &m);
	standin_cont(&m);
	standin_write_all(&m);
	fd = view_open(&v);
	view_compare(&v, fd);
	close(fd);
	view_compare_mmap(&v, &m);
	view_end(&v);
	standin_kill(&m);
	return 0;
}
