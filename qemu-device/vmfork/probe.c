/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "machine.h"
#include "probe.h"
#include "process.h"
#include "qmp.h"

char *probe_program(const char *prog, GError **error)
{
	char *path = g_find_program_in_path(prog ?: "qemu-system-x86_64");
	g_autofree char *shorter = path;

	if (!path) {
		vmfork_fail(error, VMFORK_REFUSED, "there is no program %s: install QEMU, or "
			    "name it with --qemu", prog ?: "qemu-system-x86_64");
		return NULL;
	}
	return g_canonicalize_filename(path, NULL);
}

char *probe_output(const char *const *args, GError **error)
{
	char *out = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **)args, NULL, G_SPAWN_SEARCH_PATH |
			  G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL, &status, error))
		return NULL;
	if (g_spawn_check_wait_status(status, error))
		return out;
	g_prefix_error(error, "%s: ", args[0]);
	g_free(out);
	return NULL;
}

char *probe_version(const char *qemu, GError **error)
{
	const char *args[] = { qemu, "--version", NULL };
	g_autofree char *text = probe_output(args, error);
	char *at = text ? strstr(text, "version ") : NULL;

	if (at)
		return g_strndup(at + 8, strcspn(at + 8, " \n("));
	if (text)
		vmfork_fail(error, VMFORK_REFUSED, "%s does not say which version it is", qemu);
	return NULL;
}

char *probe_device(const char *qemu, const char *device)
{
	g_autofree char *help = g_strconcat(device, ",help", NULL);
	const char *args[] = { qemu, "-device", help, NULL };

	return probe_output(args, NULL);
}

static gboolean probe_run(const char *qemu, const char *command, const int ends[2])
{
	const char *args[] = { qemu, "-machine", "none", "-nodefaults", "-display", "none",
			       "-chardev", "socket,id=q,fd=3", "-mon", "chardev=q,mode=control",
			       NULL };
	struct process_fd fds[] = { { ends[1], 3 } };
	struct process p = { .argv = args, .fds = fds, .n = 1 };
	g_autoptr(qmp_client) qmp = NULL;
	gboolean has = FALSE;

	if (!process_prepare(&p, NULL) || !process_go(&p, NULL)) {
		close(ends[0]);
		close(ends[1]);
		return FALSE;
	}
	close(ends[1]);
	qmp = qmp_attach(ends[0], qemu, QMP_PATIENCE, NULL);
	if (qmp)
		has = qmp_has_command(qmp, command);
	kill(p.pid, SIGKILL);
	waitpid(p.pid, NULL, 0);
	return has;
}

gboolean probe_command(const char *qemu, const char *command)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return FALSE;
	return probe_run(qemu, command, ends);
}
