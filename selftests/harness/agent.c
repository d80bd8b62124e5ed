// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * agent TTY: runs one shell command at a time for the host.
 *
 *	host:	NONCE BASE64(command)
 *	agent:	NONCE + BASE64(output)		any number of times
 *		NONCE = EXIT-STATUS OUTPUT-BYTES
 *
 * A snapshot can be taken at any byte of this.  The host of the clone is
 * another process on another socket: it starts with a newline, which ends
 * whatever request was half received, and ignores every line that does not
 * carry its own nonce.  A request that arrives while a command runs ends the
 * command: whoever asked for it is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define REQUEST_MAX	(256 * 1024)
#define CHUNK		720		/* output bytes per line, a multiple of 3 */

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct command {
	char nonce[64];
	pid_t pid;		/* 0: none runs */
	int pidfd, out;
	unsigned long bytes;
};

static int tty;

static void die(const char *what)
{
	fprintf(stderr, "agent: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void say(const char *line, size_t len)
{
	while (len) {
		ssize_t n = write(tty, line, len);

		if (n < 0 && errno != EINTR)
			die("write");
		if (n > 0) {
			line += n;
			len -= n;
		}
	}
}

static size_t encode(char *to, const unsigned char *from, size_t len)
{
	char *start = to;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t w = from[i] << 16 | (i + 1 < len ? from[i + 1] << 8 : 0) |
			     (i + 2 < len ? from[i + 2] : 0);

		*to++ = alphabet[w >> 18];
		*to++ = alphabet[w >> 12 & 63];
		*to++ = i + 1 < len ? alphabet[w >> 6 & 63] : '=';
		*to++ = i + 2 < len ? alphabet[w & 63] : '=';
	}
	return to - start;
}

/* In place; returns NULL for anything that is not base64. */
static char *decode(char *text)
{
	unsigned char *to = (unsigned char *)text;
	uint32_t w = 0;
	int bits = 0;

	for (char *p = text; *p && *p != '='; p++) {
		const char *digit = strchr(alphabet, *p);

		if (!digit)
			return NULL;
		w = w << 6 | (digit - alphabet);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*to++ = w >> bits;
		}
	}
	*to = '\0';
	return text;
}

static void start(struct command *cmd, const char *shell_line)
{
	int out[2];

	if (pipe2(out, O_CLOEXEC))
		die("pipe");
	cmd->bytes = 0;
	cmd->pid = fork();
	if (cmd->pid < 0)
		die("fork");
	if (!cmd->pid) {
		setsid();
		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		execl("/bin/sh", "sh", "-c", shell_line, NULL);
		_exit(127);
	}
	close(out[1]);
	cmd->out = out[0];
	fcntl(cmd->out, F_SETFL, O_NONBLOCK);
	cmd->pidfd = pidfd_open(cmd->pid, 0);
	if (cmd->pidfd < 0)
		die("pidfd_open");
}

static void close_output(struct command *cmd)
{
	if (cmd->out >= 0)
		close(cmd->out);
	cmd->out = -1;
}

/* Returns the number of bytes passed on, 0 when there are none for now. */
static size_t pass_output(struct command *cmd)
{
	unsigned char raw[CHUNK];
	char line[sizeof(cmd->nonce) + 8 + CHUNK / 3 * 4];
	ssize_t n = read(cmd->out, raw, sizeof(raw));
	int len;

	if (!n)
		close_output(cmd);
	if (n <= 0)
		return 0;
	len = sprintf(line, "%s + ", cmd->nonce);
	len += encode(line + len, raw, n);
	line[len++] = '\n';
	say(line, len);
	cmd->bytes += n;
	return n;
}

static int reap(struct command *cmd)
{
	int status;

	if (waitpid(cmd->pid, &status, 0) != cmd->pid)
		die("waitpid");
	close(cmd->pidfd);
	cmd->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/*
 * What the command itself wrote is in the pipe by now.  Its background
 * children may hold the pipe open for ever: do not wait for them.
 */
static void finish(struct command *cmd)
{
	char line[sizeof(cmd->nonce) + 48];
	int status = reap(cmd);

	while (pass_output(cmd))
		;
	close_output(cmd);
	say(line, sprintf(line, "%s = %d %lu\n", cmd->nonce, status, cmd->bytes));
}

static void abandon(struct command *cmd)
{
	kill(-cmd->pid, SIGKILL);
	kill(cmd->pid, SIGKILL);
	reap(cmd);
	close_output(cmd);
}

static void request(struct command *cmd, char *line)
{
	char *space = strchr(line, ' ');
	char *shell_line = space ? decode(space + 1) : NULL;

	if (!shell_line || space - line >= (int)sizeof(cmd->nonce))
		return;		/* the torn end of a request from before the snapshot */
	if (cmd->pid)
		abandon(cmd);
	*space = '\0';
	strcpy(cmd->nonce, line);
	start(cmd, shell_line);
}

static void receive(struct command *cmd)
{
	static char line[REQUEST_MAX];
	static size_t len;
	char in[512];
	ssize_t n = read(tty, in, sizeof(in));

	if (n <= 0)
		die("read");
	for (ssize_t i = 0; i < n; i++) {
		if (in[i] != '\n') {
			line[len] = in[i];
			len = (len + 1) % sizeof(line);
			continue;
		}
		line[len] = '\0';
		len = 0;
		request(cmd, line);
	}
}

static void open_raw(const char *path)
{
	struct termios t;

	tty = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty < 0 || tcgetattr(tty, &t))
		die(path);
	cfmakeraw(&t);
	cfsetspeed(&t, B115200);
	if (tcsetattr(tty, TCSANOW, &t))
		die(path);
}

int main(int argc, char **argv)
{
	struct command cmd = { .pid = 0 };

	open_raw(argc > 1 ? argv[1] : "/dev/ttyS1");
	say("\n@ready\n", 8);
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = tty, .events = POLLIN },
			{ .fd = cmd.pid ? cmd.out : -1, .events = POLLIN },
			{ .fd = cmd.pid ? cmd.pidfd : -1, .events = POLLIN },
		};

		if (poll(fds, 3, -1) < 0)
			die("poll");
		if (fds[2].revents)
			finish(&cmd);
		else if (fds[1].revents)
			pass_output(&cmd);
		if (fds[0].revents)
			receive(&cmd);
	}
}
