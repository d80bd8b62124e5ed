/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * draws FIFO FILE: for each byte that comes through FIFO, write to FILE what generators
 * give next, as "name=hex" lines: for "p" those of the kernel and of libc, for "g" that
 * of libvmgen, which makes the kernel look.
 */
#include <sys/random.h>

#include <vmgen.h>

#include "guest.h"

#define SIZE	16

static void from_kernel(void *bytes)
{
	if (getrandom(bytes, SIZE, 0) != SIZE)
		die("getrandom");
}

static void from_device(void *bytes)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, bytes, SIZE) != SIZE)
		die("/dev/urandom");
	close(fd);
}

/* Of random(3): seeded well, once. */
static void from_random(void *bytes)
{
	static char state[256];
	uint32_t *words = bytes;

	if (!state[0]) {
		from_kernel(bytes);
		initstate(words[0], state, sizeof(state));
	}
	for (int i = 0; i < 4; i++)
		words[i] = random();
}

static void from_arc4random(void *bytes)
{
	arc4random_buf(bytes, SIZE);
}

static void from_libvmgen(void *bytes)
{
	errno = -vmgen_getrandom(bytes, SIZE, 0);
	if (errno)
		die("vmgen_getrandom");
}

static const struct {
	char kind;
	const char *name;
	void (*draw)(void *bytes);
} generators[] = {
	{ 'p', "getrandom", from_kernel },
	{ 'p', "urandom", from_device },
	{ 'p', "arc4random", from_arc4random },
	{ 'p', "random", from_random },
	{ 'g', "vmgen_getrandom", from_libvmgen },
};

/* The file appears when it is complete. */
static void answer(char kind, const char *file)
{
	unsigned char bytes[SIZE] __attribute__((__aligned__(8)));
	char part[256];

	snprintf(part, sizeof(part), "%s.part", file);
	if (!freopen(part, "we", stdout))
		die(part);
	for (size_t i = 0; i < sizeof(generators) / sizeof(generators[0]); i++) {
		if (generators[i].kind != kind)
			continue;
		generators[i].draw(bytes);
		print_hex(generators[i].name, bytes, SIZE);
	}
	if (fflush(stdout) || rename(part, file))
		die(file);
}

int main(int argc, char **argv)
{
	char kind;
	int fd;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		die(argv[1]);
	while (read(fd, &kind, 1) == 1)
		answer(kind, argv[2]);
	return 0;
}
