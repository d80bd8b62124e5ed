/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdio.h>
#include <string.h>

#include "section.h"

#define ANY	100000

/*
 * The bounds leave room for another compiler's code.  They are what tells a check that
 * was moved, or is gone: all that is behind the one before it would be too much.
 */
static const struct section sections[] = {
	{ .name = "naive", .title = "check, then produce",
	  .shape = BEHIND_THE_CHECK, .checks = 1, .most = ANY, .least_percent = 80, .counter = true },
	{ .name = "retry", .title = "begin, produce, retry; one store",
	  .shape = BEHIND_THE_CHECK, .checks = 2, .most = 6, .counter = true },
	{ .name = "write", .title = "begin, produce, retry; write(2) to a serial port",
	  .shape = BEHIND_THE_CHECK, .checks = 2, .most = 24, .counter = true },
	{ .name = "commit", .title = "begin, produce, vmgen_commit()",
	  .shape = NOWHERE, .checks = 1, .conditional = true, .counter = true },
	{ .name = "fill", .title = "vmgen_getrandom()",
	  .shape = BEHIND_THE_CHECK, .checks = 2, .most = 40, .counter = true },
	{ .name = "openssl", .title = "RAND_bytes() through the provider",
	  .shape = BEHIND_THE_CHECK, .checks = 2, .most = 200, .counter = true },
	{ .name = "getrandom", .title = "getrandom() with VMGenID alone",
	  .shape = FROM_INTERRUPTS_OFF, .most = ANY },
	{ .name = "sync", .title = "vmgen_sync(), then getrandom()",
	  .shape = FROM_INTERRUPTS_OFF, .most = ANY, .counter = true },
};

#define COUNT	(sizeof(sections) / sizeof(sections[0]))

const struct section *section_find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (!strcmp(sections[i].name, name))
			return &sections[i];
	die("there is no section '%s'; --list names them", name);
}

void section_list(void)
{
	for (size_t i = 0; i < COUNT; i++)
		printf("%-10s %s\n", sections[i].name, sections[i].title);
}
