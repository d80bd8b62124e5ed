/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <fcntl.h>
#include <stdbool.h>

#include "section.h"

#define SERIAL	"/dev/ttyS1"
/* Pages, caches and lazy initialisation: the section is to be the usual one. */
#define WARM_UP	3

union output output;
size_t output_size;
int serial;
/* What a check loads.  For the host. */
const void *section_live;

static vmgen_guard guard = VMGEN_GUARD_INIT;

size_t format_line(char *line, const void *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;
	size_t i;

	for (i = 0; i < size; i++) {
		line[2 * i] = digits[from[i] >> 4];
		line[2 * i + 1] = digits[from[i] & 15];
	}
	line[2 * i] = '\n';
	return 2 * i + 1;
}

static void print_output(void)
{
	char line[LINE_MAX_SIZE];
	size_t size = format_line(line, output.bytes, output_size);

	need(write(serial, line, size) == (ssize_t)size, SERIAL);
}

__attribute__((__weak__)) void prepare(void)
{
}

int main(void)
{
	serial = open(SERIAL, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	need(serial >= 0, SERIAL);
	(void)vmgen_changed(&guard);
	section_live = vmgen_live_word(guard.epoch);
	prepare();
	for (int i = 0; i < WARM_UP; i++)
		section();
	__asm__ __volatile__(".globl section_begin\nsection_begin:" : : : "memory");
	section();
	if (output_size)
		print_output();
	for (;;)
		pause();
}
