/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

static void print_line(const char *kind, const char *format, va_list args)
{
	fprintf(stderr, "snapshot-points: %s", kind);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("", format, args);
	va_end(args);
}

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line("error: ", format, args);
	va_end(args);
	exit(1);
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

char *text(const char *format, ...)
{
	va_list args;
	char *s;

	va_start(args, format);
	if (vasprintf(&s, format, args) < 0)
		die("out of memory");
	va_end(args);
	return s;
}

void write_all(int fd, const void *data, size_t size)
{
	const char *from = data;
	ssize_t n;

	for (; size; from += n, size -= (size_t)n) {
		n = write(fd, from, size);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			die("a VM does not listen: %s", strerror(errno));
	}
}

size_t read_some(int fd, void *data, size_t size, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, ANSWER_TIMEOUT * 1000) != 1)
		die("%s: no answer in %d seconds", what, ANSWER_TIMEOUT);
	n = read(fd, data, size);
	if (n <= 0)
		die("%s: the VM has ended", what);
	return (size_t)n;
}

size_t read_ready(int fd, void *data, size_t size)
{
	ssize_t n = recv(fd, data, size, MSG_DONTWAIT);

	return n > 0 ? (size_t)n : 0;
}
