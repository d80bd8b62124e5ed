/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "guard.h"
#include "process.h"
#include "recover.h"
#include "steps.h"

enum { GUARD_PIPE = 3, GUARD_LOCK = 4 };

static gboolean guard_run(struct guard *guard, struct machine *m, int pipe_end, GError **error)
{
	const char *args[] = { "/proc/self/exe", "--dir", m->store->dir, "guard", m->name, NULL };
	struct process_fd fds[] = { { pipe_end, GUARD_PIPE }, { m->lock, GUARD_LOCK } };
	g_autofree char *log = g_build_filename(m->dir, "guard.log", NULL);
	struct process p = { .argv = args, .fds = fds, .n = G_N_ELEMENTS(fds), .log = log };

	if (!process_prepare(&p, error) || !process_go(&p, error))
		return FALSE;
	guard->pid = p.pid;
	return TRUE;
}

gboolean guard_start(struct guard *guard, struct machine *m, GError **error)
{
	int ends[2];
	gboolean done;

	guard->pid = 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return vmfork_fail_errno(error, "cannot start a guard of %s", m->name);
	guard->pipe = ends[1];
	done = guard_run(guard, m, ends[0], error);
	close(ends[0]);
	if (!done)
		close(ends[1]);
	return done;
}

void guard_dismiss(struct guard *guard)
{
	if (!guard->pid)
		return;
	if (write(guard->pipe, "", 1) < 0)
		vmfork_warn("the guard has gone");
	close(guard->pipe);
	waitpid(guard->pid, NULL, 0);
	guard->pid = 0;
}

/* Whether the command was done with the machine, once it lets go of the pipe. */
static gboolean guard_is_dismissed(void)
{
	ssize_t got;
	char c;

	do
		got = read(GUARD_PIPE, &c, 1);
	while (got < 0 && errno == EINTR);
	return got == 1;
}

gboolean verb_guard(struct vmfork *v, int argc, char **argv, char **rest G_GNUC_UNUSED,
		    GError **error)
{
	g_autoptr(machine_ref) m = NULL;

	if (!vmfork_parse(v, NULL, &argc, &argv, 1, 1, error))
		return FALSE;
	if (guard_is_dismissed())
		return TRUE;
	step_disarm();
	m = machine_open(v->store, argv[1], error);
	if (!m)
		return FALSE;
	m->lock = GUARD_LOCK;
	return machine_recover(m, error);
}
