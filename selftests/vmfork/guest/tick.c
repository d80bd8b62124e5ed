// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * tick SET FILE: counts 100 times a second, in a stamped page of memory that is FILE's, for
 * those in the guest who want to read it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../stamp.h"

int main(int argc, char **argv)
{
	struct stamp *s;
	int fd;

	fd = argc == 3 ? open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644) : -1;
	if (fd < 0 || ftruncate(fd, STAMP_PAGE)) {
		perror("tick");
		return 1;
	}
	s = mmap(NULL, STAMP_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED) {
		perror("tick: mmap");
		return 1;
	}
	s->set = atoi(argv[1]);
	s->count = 1;
	s->magic = STAMP_MAGIC;
	for (;;) {
		s->word++;
		usleep(10000);
	}
}
