// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * genstat page|status|read|raw PGOFF|random ...: prints what /dev/vmgenctr says, and
 * what getrandom() gives, as name=value lines in the order asked for.
 */
#include <sys/random.h>

#include "guest.h"

static void page(int fd)
{
	const volatile struct vmgenctr_generation_page *p =
		map_counter(fd, VMGENCTR_GENERATION_PGOFF);

	printf("page.magic=%#x\npage.size=%u\npage.version=%u\npage.seq=%u\n",
	       p->magic, p->size, p->version, p->seq_count);
	printf("page.hypervisor=%d\npage.generation=%llu\n",
	       !!(p->flags & VMGENCTR_F_HYPERVISOR), p->generation);
}

static void status(int fd)
{
	const volatile struct vmgenctr_status_page *p =
		map_counter(fd, VMGENCTR_STATUS_PGOFF);
	unsigned char id[sizeof(p->instance_id)];

	for (size_t i = 0; i < sizeof(id); i++)
		id[i] = p->instance_id[i];
	printf("status.magic=%#x\nstatus.size=%u\nstatus.version=%u\n",
	       p->magic, p->size, p->version);
	printf("status.reseeded=%d\nstatus.generation=%llu\n",
	       !!(p->flags & VMGENCTR_STATUS_F_CRNG_RESEEDED), p->ready_generation);
	print_hex("status.instance", id, sizeof(id));
}

static void read_once(int fd)
{
	struct vmgenctr_info info = read_counter(fd);

	printf("read.hypervisor=%d\nread.reseeded=%d\nread.generation=%llu\n",
	       !!(info.flags & VMGENCTR_INFO_F_HYPERVISOR),
	       !!(info.flags & VMGENCTR_INFO_F_CRNG_RESEEDED), info.generation);
	print_hex("read.instance", info.instance_id, sizeof(info.instance_id));
}

static void random_bytes(void)
{
	unsigned char bytes[16];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		die("getrandom");
	print_hex("random", bytes, sizeof(bytes));
}

static void raw(int fd, int pgoff)
{
	const volatile unsigned char *p = map_counter(fd, pgoff);

	for (long i = 0; i < sysconf(_SC_PAGESIZE); i++)
		putchar(p[i]);
}

int main(int argc, char **argv)
{
	int fd = open_counter();

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "page"))
			page(fd);
		else if (!strcmp(argv[i], "status"))
			status(fd);
		else if (!strcmp(argv[i], "read"))
			read_once(fd);
		else if (!strcmp(argv[i], "random"))
			random_bytes();
		else if (!strcmp(argv[i], "raw") && i + 1 < argc)
			raw(fd, atoi(argv[++i]));
		else
			return fprintf(stderr, "genstat: what is %s?\n", argv[i]), 2;
	}
	return 0;
}
