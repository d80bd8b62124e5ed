/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmgen exec: run a command for each change, one at a time. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "info.h"
#include "waiting.h"

static const char help[] =
	"Usage: vmgen exec [--initial] [--count N] [--exit-on-error] [--] COMMAND [ARGUMENT...]\n"
	"\n"
	"Run COMMAND each time that this machine was restored, reverted or cloned and its\n"
	"kernel is ready for that.  COMMAND never runs twice at the same time; changes while\n"
	"it runs lead to one more run.\n"
	"\n"
	"  -i, --initial        begin with a run for the current generation\n"
	"  -n, --count N        end after N runs\n"
	"  -e, --exit-on-error  end, with the status of COMMAND, when it fails\n"
	"  -h, --help           this text\n"
	"\n"
	"In its environment:\n"
	"  VMGEN_GENERATION     the generation that it runs for, if there is a counter\n"
	"  VMGEN_INSTANCE_ID    32 hex digits that differ between clones, if there are any\n"
	"  VMGEN_CRNG_RESEEDED  1, or 0 when nobody says that the kernel's random number\n"
	"                       generator is reseeded\n"
	"\n"
	"A failure is reported, and the next change leads to the next run.\n"
	"\n"
	"Exit status: 0 there were N runs; 4 ABSENT; 5 DENIED; 6 BROKEN; 1 failed;\n"
	"2 wrong usage; with --exit-on-error that of COMMAND, 128 + N if signal N\n"
	"ended it, 127 if it cannot be run\n";

static const struct option options[] = {
	{ "initial", no_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'n' },
	{ "exit-on-error", no_argument, NULL, 'e' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

struct arguments {
	bool initial, counted, exit_on_error;
	unsigned long long count;
	char **command;
};

static void parse(const struct command *self, int argc, char **argv,
		  struct arguments *ret)
{
	int option;

	while ((option = next_option(self, argc, argv, "+in:eh", options)) != -1) {
		ret->initial |= option == 'i';
		ret->counted |= option == 'n';
		ret->exit_on_error |= option == 'e';
		if (option == 'n')
			ret->count = parse_count(self, "--count", optarg);
	}
	if (optind == argc)
		usage_error(self, "which command?");
	ret->command = argv + optind;
}

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static void set_environment(const struct vmgen_info *info)
{
	char text[GENERATION_SIZE], hex[HEX_ID_SIZE];

	set("VMGEN_GENERATION", generation_text(info, text));
	set("VMGEN_INSTANCE_ID", hex_id(info, hex));
	set("VMGEN_CRNG_RESEEDED", info->flags & VMGEN_INFO_CRNG_RESEEDED ? "1" : "0");
}

static pid_t start(const struct command *self, char **command, const sigset_t *mask)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(command[0], command);
	complain(self, "cannot run %s: %s", command[0], strerror(errno));
	_exit(127);
}

/*
 * A signal that asks for our end waits for the command's, which SIGTERM and SIGHUP are
 * passed on to; those of a terminal are sent to both anyhow.  Returns the signal in
 * @ret, or 0.
 */
static int await(pid_t pid, const sigset_t *signals, int *ret)
{
	int status, signal;

	*ret = 0;
	while (waitpid(pid, &status, WNOHANG) == 0) {
		signal = sigwaitinfo(signals, NULL);
		if (signal > 0 && signal != SIGCHLD)
			*ret = signal;
		if (signal == SIGTERM || signal == SIGHUP)
			kill(pid, signal);
	}
	return status;
}

/* Returns what waitpid() does. */
static int run_command(const struct command *self, char **command)
{
	static const int waited[] = { SIGCHLD, SIGTERM, SIGHUP, SIGINT, SIGQUIT };
	sigset_t signals, before;
	int status, end;
	size_t i;
	pid_t pid;

	sigemptyset(&signals);
	for (i = 0; i < sizeof(waited) / sizeof(waited[0]); i++)
		sigaddset(&signals, waited[i]);
	sigprocmask(SIG_BLOCK, &signals, &before);
	pid = start(self, command, &before);
	if (pid < 0) {
		complain(self, "cannot fork: %s", strerror(errno));
		exit(EXIT_FAILED);
	}
	status = await(pid, &signals, &end);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (end)
		raise(end);
	return status;
}

static int exit_status(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_for(const struct command *self, char **command,
		   const struct vmgen_info *info)
{
	int status;

	set_environment(info);
	status = run_command(self, command);
	if (WIFSIGNALED(status))
		complain(self, "generation %" PRIu64 ": %s was ended by signal %d",
			 info->generation, command[0], WTERMSIG(status));
	else if (WEXITSTATUS(status))
		complain(self, "generation %" PRIu64 ": %s failed with status %d",
			 info->generation, command[0], WEXITSTATUS(status));
	return exit_status(status);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct arguments a = { .initial = false };
	struct vmgen_info info;
	vmgen_watch *w;
	int r = 0;

	parse(self, argc, argv, &a);
	/* Inherited, it would have the kernel forget how the command ended. */
	signal(SIGCHLD, SIG_DFL);
	w = watch_counter(self);
	if (a.initial)
		current_generation(self, &info);
	while (!r && (!a.counted || a.count--)) {
		if (!a.initial)
			next_change(self, w, &info);
		a.initial = false;
		r = run_for(self, a.command, &info);
		if (!a.exit_on_error)
			r = 0;
	}
	vmgen_watch_free(w);
	return r;
}

const struct command command_exec = {
	"exec", "run a command for each change", help, run,
};
