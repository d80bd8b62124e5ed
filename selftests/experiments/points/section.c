/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdio.h>
#include <string.h>

#include "section.h"

/*
 * Clones are not notified where something is claimed of a check: an event that came
 * before the next instruction would repair what the check has missed.
 *
 * The bounds leave room for another compiler's code.  They are what tells a check that
 * was moved, or is gone: all that is behind the one before it would be too much.
 */
static const struct section sections[] = {
	{ .name = "naive", .title = "check, then produce",
	  .shape = BEHIND_THE_CHECK, .checks = 1, .most = 100, .least_percent = 80,
	  .counter = true },
	{ .name = "retry", .title = "begin, produce, retry; one store",
	  .shape = BEHIND_THE_CHECK, .checks = 2, .most = 6, .counter = true },
	{ .name = "write", .title = "begin, produce, retry; write(2) to a serial port",
	  .shape = BEHIND_THE_CHECK, .checks = 2, .most = 24, .system_call = true,
	  .counter = true },
	{ .name = "commit", .title = "begin, produce, vmgen_commit()",
	  .shape = NOWHERE, .checks = 2, .conditional = true, .counter = true },
	{ .name = "fill", .title = "vmgen_getrandom()",
	  .shape = BEHIND_THE_CHECK, .checks = 3, .most = 40, .counter = true },
	{ .name = "openssl", .title = "RAND_bytes() through the provider",
	  .shape = BEHIND_THE_CHECK, .checks = 2, .most = 200, .counter = true },
	{ .name = "sync", .title = "vmgen_sync(), then getrandom()",
	  .shape = BEHIND_THE_CHECK, .checks = 1, .most = 4000, .counter = true },
	{ .name = "getrandom", .title = "getrandom() with VMGenID alone",
	  .shape = FROM_INTERRUPTS_OFF, .notified = true, .function = "crng_make_state" },
	{ .name = "unnotified", .title = "the same, before the notification has come",
	  .shape = EVERYWHERE },
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
		printf("%-11s %s\n", sections[i].name, sections[i].title);
}
