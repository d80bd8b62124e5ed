/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdio.h>
#include <string.h>

#include "section.h"

/*
 * Clones are not notified where something is claimed of a check: an event that came
 * before the next instruction would repair what the check has missed.
 *
 * What comes behind the last check is, with gcc 12 on x86-64, 4 instructions of retry, 23
 * of fill and 89 of openssl (Documentation/evidence).  The bounds leave room for another
 * compiler's code, and none for a check that was moved or is gone: behind the one before
 * it are 60 of retry, 170 of write, and thousands of the others.  naive and sync have one
 * check only, with 51 of 57 and 2220 of 2364 behind it.  Their bounds are in percent: with
 * no check, or one that does not see the change, it is all of them.
 */
static const struct section sections[] = {
	{ .name = "naive", .title = "check, then produce",
	  .shape = BEHIND_THE_CHECK, .checks = 1, .least_percent = 80, .most_percent = 95,
	  .counter = true },
	{ .name = "retry", .title = "begin, produce, retry; one store",
	  .shape = BEHIND_THE_CHECK, .checks = 2, .most = 6, .counter = true },
	{ .name = "write", .title = "begin, produce, retry; write(2) to a serial port",
	  .shape = BEHIND_THE_CHECK, .checks = 2, .most = 24, .system_call = true,
	  .counter = true },
	{ .name = "commit", .title = "begin, produce, vmgen_commit()",
	  .shape = NOWHERE, .checks = 2, .conditional = true, .counter = true },
	{ .name = "fill", .title = "vmgen_getrandom()",
	  .shape = BEHIND_THE_CHECK, .checks = 3, .most = 30, .counter = true },
	{ .name = "openssl", .title = "RAND_bytes() through the provider",
	  .shape = BEHIND_THE_CHECK, .checks = 2, .most = 110, .counter = true },
	{ .name = "sync", .title = "vmgen_sync(), then getrandom()",
	  .shape = BEHIND_THE_CHECK, .checks = 1, .least_percent = 80, .most_percent = 97,
	  .counter = true },
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
