# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# A reseed in C++ throws: the exception arrives where the epoch was asked for, the state
# counts as stale, another thread takes over, and the thread that has thrown can be
# cancelled.  So it is with each compiler, with the static and the shared library, and
# without exceptions the header still compiles.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cat > "$scratch/throws.cc" << 'CC'
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string>
#include <unistd.h>

/* As some include whatever is C. */
extern "C" {
#include "vmgen.h"
#include "vmgen-test.h"
}

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "line %d: not true: %s\n", __LINE__, #cond); \
			_exit(1); \
		} \
	} while (0)
#define GET(v)	__atomic_load_n(&(v), __ATOMIC_SEQ_CST)
#define SET(v, to) __atomic_store_n(&(v), (to), __ATOMIC_SEQ_CST)
#define INC(v)	__atomic_add_fetch(&(v), 1, __ATOMIC_SEQ_CST)

struct failure {
	std::string why;
};

struct counted {
	int *n;
	~counted() { INC(*n); }
};

static vmgen_guard guard = VMGEN_GUARD_INIT;
static vmgen_once once = VMGEN_ONCE_INIT;
static int fd, calls, unwound, waiting, inside;

static int reseed(void *)
{
	INC(calls);
	return 0;
}

static int reseed_throws(void *)
{
	counted c = { &unwound };

	throw failure { "no entropy" };
}

static bool begin_throws()
{
	counted c = { &unwound };

	try {
		vmgen_begin(&guard, reseed_throws, NULL);
	} catch (const failure &f) {
		return f.why == "no entropy";
	}
	return false;
}

static bool once_throws()
{
	counted c = { &unwound };

	try {
		vmgen_once_begin(&once, reseed_throws, NULL);
	} catch (const failure &f) {
		return f.why == "no entropy";
	}
	return false;
}

static void the_state_is_stale()
{
	CHECK(begin_throws() && unwound == 2 && begin_throws());
	CHECK(vmgen_begin(&guard, reseed, NULL) != 0 && calls == 1);
	CHECK(vmgen_begin(&guard, reseed_throws, NULL) != 0);
	unwound = 0;
	CHECK(once_throws() && unwound == 2 && once_throws());
	CHECK(vmgen_once_begin(&once, reseed, NULL) != 0 && calls == 2);
	CHECK(vmgen_once_begin(&once, reseed_throws, NULL) != 0);
}

/* Not before another thread waits, or is about to. */
static int reseed_throws_late(void *)
{
	SET(inside, 1);
	while (!GET(waiting))
		sched_yield();
	for (int i = 0; i < 20; i++)
		sched_yield();
	throw 1;
}

/* What was pushed for the cancellation of this thread must be gone with its frame. */
static void *throws_and_is_cancelled(void *)
{
	bool thrown = false;

	try {
		vmgen_once_begin(&once, reseed_throws_late, NULL);
	} catch (int n) {
		thrown = n == 1;
	}
	CHECK(thrown);
	pthread_exit(&fd);
}

static void another_thread_takes_over()
{
	pthread_t thread;
	void *ret;

	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(!pthread_create(&thread, NULL, throws_and_is_cancelled, NULL));
	while (!GET(inside))
		sched_yield();
	calls = 0;
	SET(waiting, 1);
	CHECK(vmgen_once_begin(&once, reseed, NULL) != 0 && calls == 1);
	CHECK(!pthread_join(thread, &ret) && ret == &fd);
}

static __attribute__((__unused__)) int reseed_until_cancelled(void *)
{
	counted c = { &unwound };

	SET(inside, 1);
	for (;;) {
		pthread_testcancel();
		sched_yield();
	}
}

static __attribute__((__unused__)) void *is_cancelled(void *)
{
	counted c = { &unwound };

	vmgen_once_begin(&once, reseed_until_cancelled, NULL);
	return NULL;
}

/* libc++ ends a process where what ends a thread meets any catch (...), not ours alone. */
static void cancellation_passes()
{
#ifndef _LIBCPP_VERSION
	pthread_t thread;
	void *ret;

	CHECK(vmgen_test_bump(fd) == 0);
	inside = unwound = calls = 0;
	CHECK(!pthread_create(&thread, NULL, is_cancelled, NULL));
	while (!GET(inside))
		sched_yield();
	CHECK(!pthread_cancel(thread));
	CHECK(vmgen_once_begin(&once, reseed, NULL) != 0 && calls == 1);
	CHECK(!pthread_join(thread, &ret) && ret == PTHREAD_CANCELED);
#ifdef __GLIBC__
	CHECK(unwound == 2);
#endif
#endif
}

int main()
{
	/* What waits for an owner that has gone waits for ever. */
	alarm(60);
	fd = vmgen_test_create(0);
	CHECK(fd >= 0 && vmgen_test_install(fd) == 0);
	the_state_is_stale();
	another_thread_takes_over();
	cancellation_passes();
	return 0;
}
CC
cat > "$scratch/none.cc" << 'CC'
#include "vmgen.h"

static vmgen_guard guard = VMGEN_GUARD_INIT;
static vmgen_once once = VMGEN_ONCE_INIT;
static int reseed(void *) { return 0; }

int main()
{
	return !vmgen_begin(&guard, reseed, 0) || !vmgen_once_begin(&once, reseed, 0);
}
CC

# try NAME COMMAND...: compile, and run
try() {
	name=$1; shift
	"$@" || { echo "$name: does not build"; exit 1; }
	LD_LIBRARY_PATH=$BUILD "$scratch/program" || { echo "$name: fails"; exit 1; }
	echo "$name: well"
}

tried=
# shellcheck disable=SC2086 # a compiler and its option
for cxx in g++ clang++ "clang++ -stdlib=libc++"; do
	echo 'int main() {}' > "$scratch/empty.cc"
	echo '#include <string>' >> "$scratch/empty.cc"
	$cxx -o "$scratch/program" "$scratch/empty.cc" 2> /dev/null || continue
	tried=yes
	set -- -O2 -Wall -Wextra -Wshadow -Werror -Iinclude -pthread -o "$scratch/program"
	try "$cxx, C++11, static library" $cxx -std=c++11 "$@" "$scratch/throws.cc" \
		"$BUILD/libvmgen.a"
	try "$cxx, C++17, shared library" $cxx -std=c++17 "$@" "$scratch/throws.cc" \
		-L"$BUILD" -lvmgen
	try "$cxx, no run-time types" $cxx -fno-rtti "$@" "$scratch/throws.cc" "$BUILD/libvmgen.a"
	try "$cxx, no exceptions" $cxx -fno-exceptions "$@" "$scratch/none.cc" "$BUILD/libvmgen.a"
	try "$cxx, all static" $cxx -static -O0 -Iinclude -pthread -o "$scratch/program" \
		"$scratch/throws.cc" "$BUILD/libvmgen.a"
done
[ "$tried" ] || { echo "no C++ compiler here"; exit 77; }
