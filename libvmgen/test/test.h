/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Exit status: 0 the behaviour is there, 1 it is not, 77 it cannot be tried here. */
#ifndef TEST_H
#define TEST_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmgen.h"
#include "vmgen-test.h"

/* clang tells in another way what gcc defines. */
#ifdef __has_feature
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, \
				__LINE__, #cond); \
			_exit(1); \
		} \
	} while (0)

static inline void skip(const char *reason)
{
	printf("%s\n", reason);
	exit(77);
}

/* A new counter, installed. */
static inline int counter(unsigned int flags)
{
	int fd = vmgen_test_create(flags);

	if (fd == -ENOSYS)
		skip("this kernel has no memfd_create()");
	CHECK(fd >= 0);
	CHECK(vmgen_test_install(fd) == 0);
	return fd;
}

/* Wait for a child that must end well. */
static inline void reap(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* For a test that needs a library which knows nothing yet, and leaves nothing behind. */
static inline void in_own_process(void (*test)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		test();
		_exit(0);
	}
	reap(pid);
}

#endif /* TEST_H */
