/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmgen: the generation of this machine, for people and scripts.  See vmgen(1). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "info.h"

#ifndef VMGEN_VERSION
#error "VMGEN_VERSION comes from the Makefile"
#endif

static const struct command *const commands[] = {
	&command_status, &command_wait, &command_watch, &command_exec, &command_doctor,
};

#define N_COMMANDS	(sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *to)
{
	size_t i;

	fputs("Usage: vmgen COMMAND [ARGUMENT...]\n"
	      "       vmgen --help | --version\n"
	      "\n"
	      "Has this machine been restored from a snapshot, reverted or cloned?\n"
	      "\n", to);
	for (i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", commands[i]->name, commands[i]->line);
	fputs("\n"
	      "\"vmgen COMMAND --help\" tells more, and vmgen(1) everything.\n", to);
}

static void complain_v(const struct command *self, const char *format, va_list ap)
{
	fflush(stdout);
	fprintf(stderr, self ? "vmgen %s: " : "vmgen: ", self ? self->name : "");
	vfprintf(stderr, format, ap);
	putc('\n', stderr);
}

void complain(const struct command *self, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain_v(self, format, ap);
	va_end(ap);
}

static void __attribute__((__noreturn__)) point_to_help(const struct command *self)
{
	fprintf(stderr, "Try \"vmgen %s%s--help\".\n", self ? self->name : "",
		self ? " " : "");
	exit(EXIT_USAGE);
}

void usage_error(const struct command *self, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	complain_v(self, format, ap);
	va_end(ap);
	point_to_help(self);
}

int complain_counter(const struct command *self, int error)
{
	enum vmgen_status status = vmgen_status();

	complain(self, "%s (%s); \"vmgen doctor\" says what to do",
		 status == VMGEN_ACTIVE ? "the counter cannot be watched" :
		 status_meaning(status), strerror(-error));
	return status == VMGEN_ACTIVE ? EXIT_FAILED : EXIT_STATUS + (int)status;
}

void flush(const struct command *self)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return;
	complain(self, "cannot write: %s", strerror(errno));
	exit(EXIT_FAILED);
}

unsigned long long parse_count(const struct command *self, const char *option,
			       const char *text)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno)
		usage_error(self, "%s wants a number, not '%s'", option, text);
	return value;
}

/* getopt_long() says itself what is wrong, in the name of argv[0]. */
int next_option(const struct command *self, int argc, char **argv,
		const char *short_options, const struct option *long_options)
{
	static char name[32];
	int option;

	snprintf(name, sizeof(name), "vmgen %s", self->name);
	argv[0] = name;
	option = getopt_long(argc, argv, short_options, long_options, NULL);
	if (option == '?')
		point_to_help(self);
	if (option == 'h') {
		fputs(self->help, stdout);
		flush(self);
		exit(0);
	}
	return option;
}

void no_more_arguments(const struct command *self, int argc, char **argv)
{
	if (optind < argc)
		usage_error(self, "what is '%s'?", argv[optind]);
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	usage_error(NULL, "there is no command '%s'", name);
}

int main(int argc, char **argv)
{
	const char *word = argv[argc > 1];

	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		print_help(stdout);
	} else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		puts("vmgen " VMGEN_VERSION);
	} else {
		const struct command *command = find_command(word);

		return command->run(command, argc - 1, argv + 1);
	}
	flush(NULL);
	return 0;
}
