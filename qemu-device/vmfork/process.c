/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cancel.h"
#include "process.h"

/* Above every number that a child is given. */
#define PROCESS_ASIDE 64

/* --- the child: nothing but system calls, for other threads may hold locks --- */

static gboolean child_descriptors(const struct process *p)
{
	int aside[PROCESS_FDS];

	for (size_t i = 0; i < p->n; i++) {
		aside[i] = fcntl(p->fds[i].from, F_DUPFD_CLOEXEC, PROCESS_ASIDE);
		if (aside[i] < 0)
			return FALSE;
	}
	for (size_t i = 0; i < p->n; i++)
		if (dup2(aside[i], p->fds[i].to) < 0)
			return FALSE;
	return TRUE;
}

static gboolean child_output(const struct process *p)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), log = null;

	if (p->log)
		log = open(p->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return null >= 0 && log >= 0 && dup2(null, 0) >= 0 && dup2(log, 1) >= 0 &&
	       dup2(log, 2) >= 0;
}

static void child_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void child_main(const struct process *p, int gate, int failed)
{
	char go;
	int cause;

	/* A session of its own: ^C at the terminal is for the command. */
	setsid();
	if (read(gate, &go, 1) == 1) {
		failed = fcntl(failed, F_DUPFD_CLOEXEC, PROCESS_ASIDE);
		if (child_output(p) && child_descriptors(p)) {
			child_signals();
			execvp(p->argv[0], (char *const *)p->argv);
		}
		cause = errno;
		if (write(failed, &cause, sizeof(cause)) < 0)
			_exit(126);
	}
	_exit(127);
}

/* --- the parent --- */

static void process_parent(struct process *p, int gate[2], int failed[2])
{
	close(gate[0]);
	close(failed[1]);
	p->gate = gate[1];
	p->failed = failed[0];
}

gboolean process_prepare(struct process *p, GError **error)
{
	int gate[2], failed[2];

	g_assert(p->n <= PROCESS_FDS);
	if (pipe2(gate, O_CLOEXEC) < 0)
		return vmfork_fail_errno(error, "cannot start %s", p->argv[0]);
	if (pipe2(failed, O_CLOEXEC) < 0) {
		close(gate[0]);
		close(gate[1]);
		return vmfork_fail_errno(error, "cannot start %s", p->argv[0]);
	}
	p->pid = fork();
	if (p->pid == 0) {
		close(gate[1]);
		child_main(p, gate[0], failed[1]);
	}
	process_parent(p, gate, failed);
	if (p->pid > 0)
		return TRUE;
	vmfork_fail_errno(error, "cannot start %s", p->argv[0]);
	process_abandon(p);
	return FALSE;
}

void process_abandon(struct process *p)
{
	close(p->gate);
	close(p->failed);
	if (p->pid > 0)
		waitpid(p->pid, NULL, 0);
}

/* The pipe closes itself in the moment when the program is executed. */
gboolean process_go(struct process *p, GError **error)
{
	int cause = 0;
	ssize_t got;

	if (write(p->gate, "", 1) < 0)
		cause = errno;
	close(p->gate);
	got = read(p->failed, &cause, sizeof(cause));
	close(p->failed);
	if (got <= 0 && cause == 0)
		return TRUE;
	waitpid(p->pid, NULL, 0);
	errno = cause;
	return vmfork_fail_errno(error, "cannot start %s", p->argv[0]);
}

/* A child that has ended is gone for us, although nobody has waited for it yet. */
static gboolean process_reap(pid_t pid, int *status)
{
	return waitpid(pid, status, WNOHANG) == pid;
}

int process_run(struct process *p, GError **error)
{
	int status = 0;

	if (!process_prepare(p, error) || !process_go(p, error))
		return -1;
	while (!process_reap(p->pid, &status)) {
		if (cancel_sleep(1000, error))
			continue;
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
		return -1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Fields 3 and 22 of /proc/PID/stat.  Field 2 is in brackets and may contain any byte. */
static char process_stat(pid_t pid, gint64 *start)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid), *text = NULL;
	g_auto(GStrv) fields = NULL;
	char *end;

	if (!g_file_get_contents(path, &text, NULL, NULL) || !(end = strrchr(text, ')')))
		return 0;
	fields = g_strsplit(end + 2, " ", 0);
	if (g_strv_length(fields) < 20)
		return 0;
	*start = g_ascii_strtoll(fields[19], NULL, 10);
	return fields[0][0];
}

static char *process_boot(void)
{
	char *text = NULL;

	if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL))
		return g_strdup("");
	return g_strchomp(text);
}

JsonObject *process_record(pid_t pid)
{
	g_autofree char *boot = process_boot();
	JsonObject *record = json_object_new();
	gint64 start = -1;

	process_stat(pid, &start);
	json_object_set_int_member(record, "pid", pid);
	json_object_set_int_member(record, "start", start);
	json_object_set_string_member(record, "boot", boot);
	return record;
}

char process_state(JsonObject *record)
{
	g_autofree char *boot = process_boot();
	gint64 pid, start;
	char state;

	if (!record)
		return 0;
	pid = json_object_get_int_member_with_default(record, "pid", 0);
	if (pid <= 1 || g_strcmp0(boot, json_object_get_string_member_with_default(record,
								"boot", NULL)) != 0)
		return 0;
	process_reap(pid, NULL);
	state = process_stat(pid, &start);
	if (state == 'Z' || state == 'X')
		return 0;
	return start == json_object_get_int_member_with_default(record, "start", -1) ? state : 0;
}

gboolean process_alive(JsonObject *record)
{
	return process_state(record) != 0;
}

/* A descriptor of the process itself: it stays the right one. */
static int process_open(JsonObject *record)
{
	gint64 pid = record ? json_object_get_int_member_with_default(record, "pid", 0) : 0;
	int fd = pid > 1 ? syscall(SYS_pidfd_open, (pid_t)pid, 0) : -1;

	if (fd >= 0 && process_alive(record))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

gboolean process_signal(JsonObject *record, int signal)
{
	int fd = process_open(record);
	long sent;

	if (fd < 0)
		return FALSE;
	sent = syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
	close(fd);
	return sent == 0;
}

static gboolean process_gone(int fd, gint64 timeout_us, GError **error)
{
	GPollFD fds[2] = { { .fd = fd, .events = G_IO_IN }, { .fd = -1 } };
	int ready;

	g_cancellable_make_pollfd(cancel_token(), &fds[1]);
	ready = g_poll(fds, fds[1].fd < 0 ? 1 : 2, timeout_us / 1000);
	if (fds[1].fd >= 0)
		g_cancellable_release_fd(cancel_token());
	if (fds[0].revents)
		return TRUE;
	if (!cancel_check(error))
		return FALSE;
	return vmfork_fail(error, VMFORK_FAILED, ready == 0 ? "it does not end" :
			   "waiting was interrupted");
}

gboolean process_await_end(JsonObject *record, gint64 timeout_us, GError **error)
{
	int fd = process_open(record);
	gboolean gone;

	if (fd < 0)
		return TRUE;
	gone = process_gone(fd, timeout_us, error);
	close(fd);
	if (gone)
		process_alive(record);
	return gone;
}

gboolean process_end(JsonObject *record, GError **error)
{
	if (!process_signal(record, SIGKILL))
		return TRUE;
	return process_await_end(record, 60 * G_USEC_PER_SEC, error);
}
