# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# A program that knows nothing but the names uses the shared library: every inline
# function is there as a real one.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cat > "$scratch/ffi.c" << 'C'
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

static int reseed(void *ctx) { ++*(int *)ctx; return 0; }

static void *get(void *lib, const char *name, void *ret)
{
	void *p = dlsym(lib, name);
	memcpy(ret, &p, sizeof(p));
	return p;
}

int main(int argc, char **argv)
{
	void *lib = argc == 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
	int (*create)(unsigned), (*install)(int), (*bump)(int), n = 0;
	void (*init)(void *);
	_Bool (*changed)(void *), (*retry)(const void *, uint64_t);
	uint64_t (*begin)(void *, int (*)(void *), void *), e, guard[4];
	uint64_t (*once_begin)(void *, int (*)(void *), void *), once[8];
	void (*once_init)(void *);
	_Bool (*once_retry)(const void *, uint64_t);
	unsigned (*reason)(const void *);
	int fd;

	if (!lib || !get(lib, "vmgen_test_create", &create) ||
	    !get(lib, "vmgen_test_install", &install) ||
	    !get(lib, "vmgen_test_bump", &bump) ||
	    !get(lib, "vmgen_guard_init", &init) || !get(lib, "vmgen_changed", &changed) ||
	    !get(lib, "vmgen_begin", &begin) || !get(lib, "vmgen_retry", &retry) ||
	    !get(lib, "vmgen_once_init", &once_init) || !get(lib, "vmgen_reason", &reason) ||
	    !get(lib, "vmgen_once_begin", &once_begin) ||
	    !get(lib, "vmgen_once_retry", &once_retry))
		return 2;
	fd = create(0);
	if (fd < 0 || install(fd))
		return 3;
	init(guard);
	if (!changed(guard) || changed(guard))
		return 4;
	e = begin(guard, reseed, &n);
	if (n || retry(guard, e) || bump(fd) || !retry(guard, e) || !changed(guard))
		return 5;
	if (reason(guard) != 2)
		return 6;
	once_init(once);
	e = once_begin(once, reseed, &n);
	if (!e || n != 1 || once_begin(once, reseed, &n) != e || n != 1 || once_retry(once, e))
		return 7;
	if (bump(fd) || !once_retry(once, e) || once_begin(once, reseed, &n) == e || n != 2)
		return 8;
	return dlclose(lib);
}
C
$CC -std=c11 -o "$scratch/ffi" "$scratch/ffi.c" -ldl
"$scratch/ffi" "$BUILD/libvmgen.so"
