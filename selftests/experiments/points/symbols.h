/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Addresses and names, of the guest's program and its kernel. */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include "tool.h"

/* @file: what nm prints, which is what a System.map is. */
void symbols_read(const char *file);
uint64_t symbols_address(const char *name);

/* "function+0x1c", valid until the fourth call after this one. */
const char *symbols_place(uint64_t address);
const char *symbols_function(uint64_t address);

static inline bool is_kernel(uint64_t address)
{
	return address >> 63;
}

#endif
