/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What every file of the tool uses: ending with a message, and waiting with a limit. */
#ifndef TOOL_H
#define TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Seconds that any single answer of a VM may take. */
#define ANSWER_TIMEOUT	300

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
double now(void);

char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
void write_all(int fd, const void *data, size_t size);

/* At least one byte, or the end of the tool: @what says who kept silent. */
size_t read_some(int fd, void *data, size_t size, const char *what);
/* What is there already, which may be nothing. */
size_t read_ready(int fd, void *data, size_t size);

#endif
