# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# A plug-in that uses the library is loaded and unloaded again and again.  Nothing is left
# behind each time, and the guards of others still point to something.
set -eu
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cat > "$scratch/host.c" << 'C'
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>

static int entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int once(const char *path)
{
	void *library = dlopen(path, RTLD_NOW);
	int (*create)(unsigned int);
	int (*install)(int);
	static int fd = -1;

	if (!library) {
		puts(dlerror());
		return 1;
	}
	*(void **)&create = dlsym(library, "vmgen_test_create");
	*(void **)&install = dlsym(library, "vmgen_test_install");
	if (fd < 0)
		fd = create(0);
	if (install(fd) < 0)
		return 1;
	return dlclose(library);
}

int main(int argc, char **argv)
{
	int i, before;

	(void)argc;
	/* One counter in use, and the one that it has replaced. */
	for (i = 0; i < 3; i++)
		if (once(argv[1]))
			return 1;
	before = entries("/proc/self/fd");
	for (i = 0; i < 10; i++)
		if (once(argv[1]))
			return 1;
	printf("%d descriptors, then %d\n", before, entries("/proc/self/fd"));
	return entries("/proc/self/fd") != before;
}
C
$CC -D_GNU_SOURCE -O2 -o "$scratch/host" "$scratch/host.c" -ldl
"$scratch/host" "$BUILD/libvmgen.so"
