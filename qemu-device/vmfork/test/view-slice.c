/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Arm beside busy writers, freeze, read by read() and mmap(), close. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "standin.h"

int main(void)
{
	struct standin m;
	struct view v;
	char byte;
	int fd;

	standin_start(&m, 2, 1, 64 << 20, 0);
	standin_progress(&m, 1000);
	view_start(&v, &m, NULL);
	fd = view_open(&v);
	CHECK(pread(fd, &byte, 1, 0) < 0 && errno == EAGAIN);
	say("%s", view_ask(&v, "{\"op\": \"arm\"}"));
	standin_progress(&m, 1000);
	standin_stop(&m);
	view_freeze(&v, &m);
	standin_cont(&m);
	standin_progress(&m, 10000);
	view_compare(&v, fd);
	close(fd);
	view_compare_mmap(&v, &m);
	say("%s", view_ask(&v, "{\"op\": \"status\"}"));
	view_end(&v);
	standin_progress(&m, 1000);
	standin_kill(&m);
	return 0;
}
