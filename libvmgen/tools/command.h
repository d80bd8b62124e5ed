/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the subcommands share.  Each has a file of its own. */
#ifndef VMGEN_COMMAND_H
#define VMGEN_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmgen.h"

/* Exit statuses of all subcommands; from EXIT_STATUS on, plus enum vmgen_status. */
enum {
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_STATUS = 2,	/* 3 NOTIFY_ONLY, 4 ABSENT, 5 DENIED, 6 BROKEN */
	EXIT_TIMEOUT = 124	/* as timeout(1) */
};

struct command {
	const char *name;
	const char *line;	/* for the list of commands */
	const char *help;
	int (*run)(const struct command *self, int argc, char **argv);
};

extern const struct command command_status, command_wait, command_watch,
	command_exec, command_doctor;

/* getopt_long(), with a common --help and a common end for what is no option. */
int next_option(const struct command *self, int argc, char **argv,
		const char *short_options, const struct option *long_options);
void no_more_arguments(const struct command *self, int argc, char **argv);
__attribute__((__noreturn__, __format__(__printf__, 2, 3)))
void usage_error(const struct command *self, const char *format, ...);
__attribute__((__format__(__printf__, 2, 3)))
void complain(const struct command *self, const char *format, ...);
/* Say what is wrong with the counter; returns the exit status for it. */
int complain_counter(const struct command *self, int error);
/* What was printed has arrived, or this ends the program. */
void flush(const struct command *self);
unsigned long long parse_count(const struct command *self, const char *option,
			       const char *text);

#endif /* VMGEN_COMMAND_H */
