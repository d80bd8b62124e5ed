/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the programs of the test guest share. */
#ifndef GUEST_H
#define GUEST_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vmgenctr.h>

/*
 * The port of the ISA debug console reads as a number that the host gives each
 * VM on its command line.  It is no part of the saved state, so it tells a
 * program that it was restored without help from anything under test.
 */
#define VM_NUMBER_PORT	0xe9

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline unsigned int vm_number(void)
{
	return inb(VM_NUMBER_PORT);
}

static inline void need_vm_number(void)
{
	if (ioperm(VM_NUMBER_PORT, 1, 1))
		die("ioperm");
}

/* To whoever listens at the host's end: not by the console, which takes a while. */
static inline void vm_tell(const char *text)
{
	while (*text)
		outb(*text++, VM_NUMBER_PORT);
}

static inline int open_counter(void)
{
	int fd = open("/dev/vmgenctr", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("/dev/vmgenctr");
	return fd;
}

/* Volatile: every look at the page is a load. */
static inline const volatile void *map_counter(int fd, int pgoff)
{
	long size = sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, pgoff * size);

	if (page == MAP_FAILED)
		die("mmap /dev/vmgenctr");
	return page;
}

static inline struct vmgenctr_info read_counter(int fd)
{
	struct vmgenctr_info info;
	ssize_t n = read(fd, &info, sizeof(info));

	if (n < 0)
		die("read /dev/vmgenctr");
	if (n != sizeof(info)) {
		fprintf(stderr, "read /dev/vmgenctr: %zd bytes\n", n);
		exit(1);
	}
	return info;
}

static inline void print_hex(const char *name, const void *bytes, size_t len)
{
	const unsigned char *b = bytes;

	printf("%s=", name);
	while (len--)
		printf("%02x", *b++);
	putchar('\n');
}

#endif
