// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * physpoke ADDRESS [BYTE]: prints the first 64 bytes of the physical page as
 * hex; with BYTE fills the page with it first.  The mapping is cached, like the
 * kernel's own: x86 refuses another memory type for a page that is in use.
 */
#include "guest.h"

int main(int argc, char **argv)
{
	long size = sysconf(_SC_PAGESIZE);
	int fd = open("/dev/mem", O_RDWR);
	volatile unsigned char *p;
	unsigned char copy[64];

	if (argc < 2 || fd < 0)
		die("physpoke: /dev/mem");
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 strtoull(argv[1], NULL, 0));
	if (p == MAP_FAILED)
		die("physpoke: mmap");
	for (long i = 0; argc > 2 && i < size; i++)
		p[i] = strtoul(argv[2], NULL, 0);
	for (size_t i = 0; i < sizeof(copy); i++)
		copy[i] = p[i];
	print_hex("bytes", copy, sizeof(copy));
	return 0;
}
