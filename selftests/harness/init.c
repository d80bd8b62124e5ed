// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * PID 1 of the test guest.  Anything that goes wrong here ends PID 1, which
 * panics the kernel: the host then sees a dead VM, never a half-working one.
 *
 * With "vmgen.shell" on the kernel command line a shell gets the console;
 * otherwise the agent serves the host on the second serial port.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
	const char *type, *where;
	bool optional;
} mounts[] = {
	{ "devtmpfs", "/dev" },
	{ "proc", "/proc" },
	{ "sysfs", "/sys" },
	{ "tmpfs", "/tmp" },
	{ "tmpfs", "/run" },
	{ "debugfs", "/sys/kernel/debug", true },
};

static char *const environment[] = {
	"PATH=/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/root", "TERM=linux", NULL,
};

static void die(const char *what)
{
	fprintf(stderr, "init: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void mount_all(void)
{
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].where, 0755);
		if (mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, NULL) &&
		    !mounts[i].optional)
			die(mounts[i].where);
	}
}

static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR);

	if (fd < 0)
		die("/dev/console");
	for (int std = 0; std < 3; std++)
		dup2(fd, std);
	if (fd > 2)
		close(fd);
}

/*
 * The same bytes in every guest, credited in full: clones of a test guest must
 * owe every difference between them to the generation, and to nothing else.
 */
static void seed_crng(void)
{
	struct {
		int bits, size;
		char bytes[32];
	} seed = { 256, 32, "the same seed in every guest" };
	int fd = open("/dev/urandom", O_WRONLY);

	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &seed))
		die("seed the crng");
	close(fd);
}

static bool on_command_line(const char *word)
{
	char line[4096] = "";
	FILE *f = fopen("/proc/cmdline", "r");

	if (!f || !fgets(line, sizeof(line), f))
		die("/proc/cmdline");
	fclose(f);
	for (char *w = strtok(line, " \n"); w; w = strtok(NULL, " \n"))
		if (!strcmp(w, word))
			return true;
	return false;
}

static pid_t spawn(char *const argv[])
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		execve(argv[0], argv, environment);
		die(argv[0]);
	}
	return pid;
}

/* Orphans of the agent's commands end up here too; they are only reaped. */
static int wait_for(pid_t pid)
{
	int status;
	pid_t done;

	do {
		done = wait(&status);
		if (done < 0)
			die("wait");
	} while (done != pid);
	return status;
}

static void run(char *const argv[])
{
	if (wait_for(spawn(argv)))
		die(argv[0]);
}

int main(void)
{
	char *const install[] = { "/bin/busybox", "--install", "-s", "/bin", NULL };
	/* The console cannot be a controlling terminal, the port behind it can. */
	char *const shell[] = {
		"/bin/setsid", "/bin/sh", "-c",
		"exec /bin/sh /etc/welcome < /dev/ttyS0 > /dev/ttyS0 2>&1", NULL,
	};
	char *const agent[] = { "/bin/agent", "/dev/ttyS1", NULL };

	mount_all();
	open_console();
	seed_crng();
	run(install);
	if (on_command_line("vmgen.shell")) {
		wait_for(spawn(shell));
		sync();
		reboot(RB_POWER_OFF);
		die("power off");
	}
	wait_for(spawn(agent));
	errno = ECHILD;
	die("the agent ended");
}
