/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Makes the command die at a step, see steps.h. */
#ifdef VMFORK_TEST
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cancel.h"
#include "steps.h"
#include "vmfork.h"

#define STEPS_NAME(id, name) name,
static const char *const names[] = { STEPS(STEPS_NAME) };

/* VMFORK_DIE_BY=INT is ^C at that step; else it is kill -9. */
void step(enum step at)
{
	const char *die = getenv("VMFORK_DIE_AT"), *by = getenv("VMFORK_DIE_BY");

	if (!die || strcmp(die, names[at]) != 0)
		return;
	kill(getpid(), by && strcmp(by, "INT") == 0 ? SIGINT : SIGKILL);
	while (!cancel_came())
		g_usleep(100);
}

void step_disarm(void)
{
	unsetenv("VMFORK_DIE_AT");
}

gboolean verb_steps(struct vmfork *v G_GNUC_UNUSED, int argc G_GNUC_UNUSED,
		    char **argv G_GNUC_UNUSED, char **rest G_GNUC_UNUSED,
		    GError **error G_GNUC_UNUSED)
{
	for (int i = 0; i < STEP_COUNT; i++)
		puts(names[i]);
	return TRUE;
}
#else
typedef int steps_are_for_tests;
#endif
