/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The side of the debugger in gdb's remote protocol, as far as QEMU's stub needs it. */
#ifndef GDB_H
#define GDB_H

#include "tool.h"

struct gdb {
	int fd;
	size_t used;
	char in[8192];		/* received and not yet looked at */
	char reply[4096];
};

enum gdb_register { GDB_PC = 16, GDB_FLAGS = 17 };	/* of x86-64 */

void gdb_attach(struct gdb *g, int fd);
uint64_t gdb_read_register(struct gdb *g, enum gdb_register number);
uint64_t gdb_read_word(struct gdb *g, uint64_t address);

void gdb_break_at(struct gdb *g, uint64_t address);
void gdb_no_break_at(struct gdb *g, uint64_t address);
void gdb_watch_loads(struct gdb *g, uint64_t address, int size);
void gdb_no_watch(struct gdb *g, uint64_t address, int size);

/* One instruction, interrupts and timers masked.  True if it touched what is watched. */
bool gdb_step(struct gdb *g);
void gdb_continue(struct gdb *g);
void gdb_await_stop(struct gdb *g);

#endif
