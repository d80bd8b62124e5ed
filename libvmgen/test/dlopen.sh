# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The library can be loaded late, by a program that does not know it, itself and as a part
# of a plug-in that was linked to the static one.  Neither takes of the room for
# thread-local variables that was set aside when the program started: some C libraries
# have none, others little.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cat > "$scratch/plugin.c" << 'C'
#include <pthread.h>

#include "vmgen.h"
#include "vmgen-test.h"

static vmgen_once once = VMGEN_ONCE_INIT;
static int calls;

static int reseed(void *ctx)
{
	(void)ctx;
	__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static void *run(void *ret)
{
	*(vmgen_epoch *)ret = vmgen_once_begin(&once, reseed, NULL);
	return NULL;
}

/* In a thread that was there before this was loaded, and in one that was not. */
int plugin(void);
int plugin(void)
{
	vmgen_epoch here, there = 0;
	pthread_t thread;
	int fd = vmgen_test_create(0);

	if (fd < 0 || vmgen_test_install(fd) < 0)
		return 1;
	if (pthread_create(&thread, NULL, run, &there))
		return 2;
	here = vmgen_once_begin(&once, reseed, NULL);
	if (pthread_join(thread, NULL))
		return 3;
	if (!here || here != there || calls != 1 || vmgen_once_retry(&once, here))
		return 4;
	if (vmgen_test_bump(fd) < 0 || !vmgen_once_retry(&once, here))
		return 5;
	return vmgen_once_begin(&once, reseed, NULL) && calls == 2 ? 0 : 6;
}
C
cat > "$scratch/host.c" << 'C'
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static pthread_barrier_t loaded;
static int (*plugin)(void);

static void *early(void *ret)
{
	pthread_barrier_wait(&loaded);
	*(int *)ret = plugin();
	return NULL;
}

int main(int argc, char **argv)
{
	void *library;
	pthread_t thread;
	int ret = 9;

	(void)argc;
	if (pthread_barrier_init(&loaded, NULL, 2) ||
	    pthread_create(&thread, NULL, early, &ret))
		return 8;
	library = dlopen(argv[1], RTLD_NOW);
	if (!library) {
		puts(dlerror());
		return 7;
	}
	*(void **)&plugin = dlsym(library, "plugin");
	pthread_barrier_wait(&loaded);
	pthread_join(thread, NULL);
	return ret;
}
C

$CC -O2 -pthread -o "$scratch/host" "$scratch/host.c" -ldl
set -- -O2 -Iinclude -pthread -fPIC -shared -Wl,-z,defs,-z,nodelete
$CC "$@" -o "$scratch/with-static.so" "$scratch/plugin.c" "$BUILD/libvmgen.a"
$CC "$@" -o "$scratch/with-shared.so" "$scratch/plugin.c" -L"$BUILD" -lvmgen

for library in "$scratch/with-static.so" "$scratch/with-shared.so"; do
	LD_LIBRARY_PATH=$BUILD "$scratch/host" "$library" || { echo "$library: exit status $?"; exit 1; }
	echo "${library##*/}: loaded"
done
for library in "$scratch/with-static.so" "$BUILD/libvmgen.so"; do
	! readelf -lW "$library" | grep TLS || { echo "$library has thread-local variables"; exit 1; }
done

# And the static library as a part of a program that is loaded anywhere.
cat > "$scratch/main.c" << 'C'
int plugin(void);
int main(void) { return plugin(); }
C
$CC -O2 -Iinclude -pthread -fPIE -pie -o "$scratch/pie" "$scratch/main.c" "$scratch/plugin.c" \
	"$BUILD/libvmgen.a"
"$scratch/pie"
