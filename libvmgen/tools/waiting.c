/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Where changes are only told, there is no generation to begin with. */
void current_generation(const struct command *self, struct vmgen_info *ret)
{
	int r = vmgen_sync(ret);

	if (r == -ENODATA)
		memset(ret, 0, sizeof(*ret));
	else if (r < 0)
		exit(complain_counter(self, r));
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
	json_info(&j, info);
	json_end(&j, '}');
	putchar('\n');
}

void print_change(const struct command *self, const struct vmgen_info *info, bool json)
{
	char hex[HEX_ID_SIZE], text[GENERATION_SIZE];
	const char *generation = generation_text(info, text), *id = hex_id(info, hex);

	if (json)
		print_json(info);
	else
		printf("%s %s\n", generation ? generation : "-", id ? id : "-");
	flush(self);
}
