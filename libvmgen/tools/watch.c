/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmgen watch: a line for each change. */
#include <stdio.h>

#include "waiting.h"

static const char help[] =
	"Usage: vmgen watch [--initial] [--count N] [--json]\n"
	"\n"
	"Print a line with the generation and the instance id each time that this machine\n"
	"was restored, reverted or cloned and its kernel is ready for that.\n"
	"\n"
	"  -i, --initial   begin with a line for the current generation\n"
	"  -n, --count N   end after N changes\n"
	"  -j, --json      a JSON object on each line, as \"vmgen status --json\" prints it\n"
	"  -h, --help      this text\n"
	"\n"
	"Changes that follow each other quickly may share a line.\n"
	"\n"
	"Exit status: 0 there were N changes; 4 ABSENT; 5 DENIED; 6 BROKEN; 1 failed; 2 wrong usage\n";

static const struct option options[] = {
	{ "initial", no_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'n' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static int run(const struct command *self, int argc, char **argv)
{
	bool initial = false, json = false, counted = false;
	unsigned long long count = 0;
	struct vmgen_info info;
	vmgen_watch *w;
	int option;

	while ((option = next_option(self, argc, argv, "in:jh", options)) != -1) {
		initial |= option == 'i';
		json |= option == 'j';
		counted |= option == 'n';
		if (option == 'n')
			count = parse_count(self, "--count", optarg);
	}
	no_more_arguments(self, argc, argv);
	w = watch_counter(self);
	if (initial) {
		current_generation(self, &info);
		print_change(self, &info, json);
	}
	while (!counted || count--) {
		next_change(self, w, &info);
		print_change(self, &info, json);
	}
	vmgen_watch_free(w);
	return 0;
}

const struct command command_watch = {
	"watch", "print a line for each change", help, run,
};
