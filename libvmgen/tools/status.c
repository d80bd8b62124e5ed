/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmgen status: what there is, right now. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "info.h"
#include "machine.h"

static const char help[] =
	"Usage: vmgen status [--json] [--quiet]\n"
	"\n"
	"Show the counter of this machine, after checking it.\n"
	"\n"
	"  -j, --json   one JSON object; \"generation\" is a string, for it has 64 bits\n"
	"  -q, --quiet  nothing but the exit status\n"
	"  -h, --help   this text\n"
	"\n"
	"Exit status: 0 ACTIVE; 3 NOTIFY_ONLY; 4 ABSENT; 5 DENIED; 6 BROKEN;\n"
	"1 failed; 2 wrong usage\n";

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static void print_json(const struct look *l)
{
	struct json j = { .out = stdout };

	json_begin(&j, NULL, '{');
	if (l->status == VMGEN_ACTIVE) {
		json_info(&j, &l->info);
	} else {
		json_string(&j, "status", status_name(l->status));
		json_string(&j, "error", strerror(-l->error));
	}
	json_end(&j, '}');
	putchar('\n');
}

static void print_active(const struct vmgen_info *info)
{
	const char *node = backend_node(info->backend);
	char hex[HEX_ID_SIZE];
	const char *id = hex_id(info, hex);

	printf("backend:      %s%s%s%s\n", backend_name(info->backend),
	       node ? " (" : "", node ? node : "", node ? ")" : "");
	printf("generation:   %" PRIu64 "\n", info->generation);
	printf("instance id:  %s\n", id ? id : "none");
	printf("written by:   %s\n", writer(info));
	printf("CRNG:         %s\n", info->flags & VMGEN_INFO_CRNG_RESEEDED ?
	       "reseeded for this generation" : "not known to be reseeded");
	printf("fork:         %s\n", info->flags & VMGEN_INFO_FORK ?
	       "detected" : "not detected");
}

static void print_denied(const char *node)
{
	if (node)
		printf("device:       %s%s\n", node, denied_text(node));
}

static void print_text(const struct look *l)
{
	printf("status:       %s: %s\n", status_name(l->status),
	       status_meaning(l->status));
	if (l->status == VMGEN_ACTIVE) {
		print_active(&l->info);
		return;
	}
	print_denied(denied_device());
	printf("error:        %s; \"vmgen doctor\" says what to do\n", strerror(-l->error));
}

static int run(const struct command *self, int argc, char **argv)
{
	bool json = false, quiet = false;
	struct look l;
	int option;

	while ((option = next_option(self, argc, argv, "jqh", options)) != -1) {
		json |= option == 'j';
		quiet |= option == 'q';
	}
	no_more_arguments(self, argc, argv);
	look(&l);
	if (!quiet)
		json ? print_json(&l) : print_text(&l);
	flush(self);
	return l.status == VMGEN_ACTIVE ? 0 : EXIT_STATUS + (int)l.status;
}

const struct command command_status = {
	"status", "show the counter; the exit status tells whether there is one", help, run,
};
