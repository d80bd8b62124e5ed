/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "info.h"
#include "waiting.h"

vmgen_watch *watch_counter(const struct command *self)
{
	vmgen_watch *w;
	int r = vmgen_watch_new(&w);

	if (r < 0)
		exit(complain_counter(self, r));
	return w;
}

/* A driver that is unbound may come back, and then it is a change. */
void next_change(const struct command *self, vmgen_watch *w, struct vmgen_info *ret)
{
	int r;

	do {
		r = vmgen_watch_wait(w, -1, ret);
		if (r == -ENODEV)
			complain(self, "the counter has gone; waiting until it is back");
		else if (r < 0 && r != -EINTR)
			exit(complain_counter(self, r));
	} while (r <= 0);
}

static void print_json(const struct vmgen_info *info)
{
	struct json j = { .out = stdout };

	json_begin(&j, NULL, '{');
	json_string(&j, "status", status_name(VMGEN_ACTIVE));
	json_info(&j, info);
	json_end(&j, '}');
	putchar('\n');
}

void print_change(const struct command *self, const struct vmgen_info *info, bool json)
{
	char hex[HEX_ID_SIZE];
	const char *id = hex_id(info, hex);

	if (json)
		print_json(info);
	else
		printf("%" PRIu64 " %s\n", info->generation, id ? id : "-");
	flush(self);
}
