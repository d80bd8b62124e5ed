/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a section's program is made of.  main.c warms the section up and marks its
 * beginning; the section marks its end, the point of no return: what is in output by
 * then is out.
 */
#ifndef SECTION_H
#define SECTION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <vmgen.h>

#include "prng.h"

extern union output {
	uint64_t words[4];
	unsigned char bytes[32];
} output;
/* How much of it main.c is to print: 0 if the section does so itself. */
extern size_t output_size;
extern int serial;

void prepare(void);
void section(void);

/* "hexadecimal digits, newline"; returns its length. */
#define LINE_MAX_SIZE	(2 * sizeof(union output) + 2)
size_t format_line(char *line, const void *bytes, size_t size);

static inline void need(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

#define SECTION_END() \
	__asm__ __volatile__(".globl section_end\nsection_end:" : : : "memory")

/* One store, and nothing between it and the end. */
#define SECTION_COMMIT(value) \
	__asm__ __volatile__("movq %1, %0\n.globl section_end\nsection_end:" \
			     : "=m"(output.words[0]) : "r"(value) : "memory")

#endif
