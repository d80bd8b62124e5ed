/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <stdio.h>
#include <unistd.h>
#include "progress.h"

#define PROGRESS_INTERVAL (G_USEC_PER_SEC / 10)

void progress_begin(struct progress *p, struct vmfork *v, const char *what)
{
	p->what = what;
	p->shown = !v->quiet && (v->progress || isatty(STDERR_FILENO));
	p->drawn = FALSE;
	p->last = 0;
}

void progress_at(struct progress *p, gint64 done, gint64 all)
{
	gint64 now = g_get_monotonic_time();

	if (!p->shown || (done < all && now - p->last < PROGRESS_INTERVAL))
		return;
	p->last = now;
	p->drawn = TRUE;
	fprintf(stderr, "\r%s: %3d%%", p->what, all > 0 ? (int)(100.0 * done / all) : 100);
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->drawn)
		fputc('\n', stderr);
	p->drawn = FALSE;
}
