/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmgen wait: return after the next change. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "info.h"
#include "waiting.h"

static const char help[] =
	"Usage: vmgen wait [--timeout SECONDS] [--generation N] [--json]\n"
	"\n"
	"Wait until this machine is restored, reverted or cloned, and until its kernel is\n"
	"ready for that; then print the new generation.\n"
	"\n"
	"  -t, --timeout SECONDS  give up after so long; 0.5 is half a second\n"
	"  -g, --generation N     return at once if the generation is not N (any more)\n"
	"  -j, --json             print one JSON object, as \"vmgen status --json\" does\n"
	"  -h, --help             this text\n"
	"\n"
	"Exit status: 0 there was a change; 124 the time is up; 4 ABSENT; 5 DENIED;\n"
	"6 BROKEN; 3 NOTIFY_ONLY, and --generation was asked for; 1 failed; 2 wrong usage\n";

static const struct option options[] = {
	{ "timeout", required_argument, NULL, 't' },
	{ "generation", required_argument, NULL, 'g' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

struct arguments {
	int timeout;		/* in milliseconds, -1 for ever */
	bool known, json;
	uint64_t generation;	/* if known */
};

static int parse_timeout(const struct command *self, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0))
		usage_error(self, "--timeout wants seconds, not '%s'", text);
	return seconds * 1000 < INT_MAX ? (int)(seconds * 1000) : -1;
}

static void parse(const struct command *self, int argc, char **argv,
		  struct arguments *ret)
{
	int option;

	while ((option = next_option(self, argc, argv, "t:g:jh", options)) != -1) {
		if (option == 't')
			ret->timeout = parse_timeout(self, optarg);
		else if (option == 'g')
			ret->generation = parse_count(self, "--generation", optarg);
		ret->known |= option == 'g';
		ret->json |= option == 'j';
	}
	no_more_arguments(self, argc, argv);
}

/* The watch has seen what was current when it was made, so that nothing is missed. */
static int wait_for_change(const struct arguments *a, vmgen_watch *w,
			   struct vmgen_info *ret)
{
	int r;

	if (a->known) {
		r = vmgen_sync(ret);
		if (r < 0 || ret->generation != a->generation)
			return r < 0 ? r : 1;
	}
	return vmgen_watch_wait(w, a->timeout, ret);
}

static void print_result(const struct command *self, const struct vmgen_info *info,
			 bool json)
{
	char text[GENERATION_SIZE];
	const char *generation = generation_text(info, text);

	if (json)
		print_change(self, info, true);
	else
		puts(generation ? generation : "-");
	flush(self);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct arguments a = { .timeout = -1 };
	struct vmgen_info info;
	vmgen_watch *w;
	int r;

	parse(self, argc, argv, &a);
	w = watch_counter(self);
	r = wait_for_change(&a, w, &info);
	vmgen_watch_free(w);
	if (r < 0)
		return complain_counter(self, r);
	if (r == 0)
		return EXIT_TIMEOUT;
	print_result(self, &info, a.json);
	return 0;
}

const struct command command_wait = {
	"wait", "return after the next change", help, run,
};
