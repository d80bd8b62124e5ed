/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The virtual machines.  All share one memory, a file that only lives in the kernel: the
 * parent writes to it, and each clone has a private mapping of it, so it is a clone of
 * the parent for as long as the parent stands still.
 */
#ifndef VM_H
#define VM_H

#include <sys/types.h>

#include "gdb.h"
#include "qmp.h"

#define VM_MEMORY	((size_t)128 << 20)

struct machine {
	const char *qemu, *kernel, *initramfs;
	bool counter;		/* the device has a generation counter */
	const char *scratch;	/* a folder for the consoles and the saved state */
	int memory;
};

struct vm {
	const struct machine *machine;
	char *name;
	pid_t pid;
	struct gdb gdb;
	struct qmp qmp;
	int serial;		/* what the guest says */
	size_t used;
	char heard[512];
	char line[512];
};

/* The parent's.  A copy that has it is the same machine, as after a migration. */
extern const char vm_guid[];

int vm_memory_new(void);
void vm_memory_save(int memory, const char *file);
void vm_memory_load(int memory, const char *file);

/* Boots, and runs @command in the guest until it comes to @address. */
void vm_boot(struct vm *vm, const struct machine *m, const char *command, uint64_t address);
/* The parent again, from a saved state. */
void vm_resume(struct vm *vm, const struct machine *m, const char *state);
/* A process for a clone, which takes a while, and its start from a saved state. */
void vm_clone(struct vm *vm, const struct machine *m, const char *name, const char *guid);
void vm_clone_run(struct vm *vm, const char *state);
void vm_end(struct vm *vm);

const char *vm_await_line(struct vm *vm);
/* What it has said so far and nobody has taken yet. */
const char *vm_heard(struct vm *vm);

#endif
