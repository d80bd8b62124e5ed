/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * By what is mapped: the files of the libraries and interpreters that keep the state
 * of a generator in their memory.  What is linked statically cannot be seen.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "processes.h"

/* A file belongs to one if its name begins with a prefix and goes on as said. */
static const struct {
	const char *name;
	const char *prefix;
	const char *then;	/* one of these characters, or the end */
} risks[] = {
	{ "libcrypto", "libcrypto.so", "." },
	{ "python", "python3", ".d" },
	{ "python", "libpython3", "." },
	{ "libmbedcrypto", "libmbedcrypto.so", "." },
	{ "libmbedcrypto", "libtfpsacrypto.so", "." },
	{ "java", "libjvm.so", "" },
	{ "node", "node", "" },
	{ "node", "nodejs", "" },
	{ "node", "libnode.so", "." },
	{ "libgnutls", "libgnutls.so", "." },
	{ "libgcrypt", "libgcrypt.so", "." },
};

#define N_RISKS		(sizeof(risks) / sizeof(risks[0]))
#define AWARE		(1u << N_RISKS)

static bool begins(const char *name, const char *prefix, const char *then)
{
	size_t n = strlen(prefix);

	/* strchr() finds the end, too. */
	return strncmp(name, prefix, n) == 0 && strchr(then, name[n]);
}

/* The first index of those that share a name. */
static unsigned int first_of_name(unsigned int index)
{
	while (index && strcmp(risks[index].name, risks[index - 1].name) == 0)
		index--;
	return index;
}

const char *risk_name(unsigned int index)
{
	return index < N_RISKS ? risks[index].name : NULL;
}

static unsigned int risks_of_file(const char *name)
{
	unsigned int i;

	if (begins(name, "libvmgen.so", "."))
		return AWARE;
	for (i = 0; i < N_RISKS; i++)
		if (begins(name, risks[i].prefix, risks[i].then))
			return 1u << first_of_name(i);
	return 0;
}

/* The name of the file that a line of /proc/PID/maps is about, or NULL. */
static char *mapped_name(char *line)
{
	char *path = strchr(line, '/');
	char *end;

	if (!path)
		return NULL;
	path[strcspn(path, "\n")] = '\0';
	end = strstr(path, " (deleted)");
	if (end)
		*end = '\0';
	return strrchr(path, '/') + 1;
}

/* Returns the bits, or a negative errno value.  A thread of the kernel maps nothing. */
static int risks_of_maps(FILE *maps)
{
	unsigned int bits = 0;
	char *line = NULL, *name;
	size_t size = 0;
	bool any = false;

	errno = 0;
	while (getline(&line, &size, maps) > 0) {
		any = true;
		name = mapped_name(line);
		if (name)
			bits |= risks_of_file(name);
	}
	free(line);
	if (ferror(maps) || (!any && errno))
		return errno ? -errno : -EIO;
	return any ? (int)bits : -ESRCH;
}

static FILE *open_of(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	return fopen(path, "re");
}

/* Threads of the kernel and zombies have none; one that is kept secret is one. */
static bool has_command_line(pid_t pid)
{
	FILE *f = open_of(pid, "cmdline");
	bool has;

	if (!f)
		return errno != ENOENT && errno != ESRCH;
	has = getc(f) != EOF || ferror(f);
	fclose(f);
	return has;
}

static void read_command(struct process *p)
{
	FILE *f = open_of(p->pid, "comm");

	strcpy(p->command, "?");
	if (!f)
		return;
	if (fgets(p->command, sizeof(p->command), f))
		p->command[strcspn(p->command, "\n")] = '\0';
	fclose(f);
}

static int add(struct processes *all, pid_t pid, unsigned int bits)
{
	struct process *p = reallocarray(all->at_risk, all->count + 1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	all->at_risk = p;
	p += all->count++;
	p->pid = pid;
	p->risks = bits;
	read_command(p);
	return 0;
}

/* A process that ends meanwhile is nobody's concern. */
static int examine(struct processes *all, pid_t pid)
{
	FILE *maps = open_of(pid, "maps");
	int bits = maps ? risks_of_maps(maps) : -errno;

	if (maps)
		fclose(maps);
	if (bits < 0) {
		if (bits != -ENOENT && bits != -ESRCH)
			all->unreadable += has_command_line(pid);
		return 0;
	}
	all->examined++;
	if (bits == 0 || (bits & AWARE))
		return 0;
	return add(all, pid, (unsigned int)bits);
}

static int examine_all(struct processes *all, DIR *proc)
{
	struct dirent *entry;
	pid_t pid;
	int r = 0;

	all->hidden = true;
	while (r == 0 && (errno = 0, entry = readdir(proc))) {
		pid = (pid_t)strtol(entry->d_name, NULL, 10);
		/* Without hidepid each list of processes has a first one. */
		if (pid == 1)
			all->hidden = false;
		if (isdigit((unsigned char)entry->d_name[0]) && pid != getpid())
			r = examine(all, pid);
	}
	return r == 0 && !entry && errno ? -errno : r;
}

/* A folder where nothing is mounted has no process in it, either. */
int find_processes(struct processes *ret)
{
	DIR *proc;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (access("/proc/self/maps", R_OK) < 0)
		return -errno;
	proc = opendir("/proc");
	if (!proc)
		return -errno;
	r = examine_all(ret, proc);
	closedir(proc);
	if (r < 0)
		free_processes(ret);
	return r;
}

void free_processes(struct processes *p)
{
	free(p->at_risk);
	memset(p, 0, sizeof(*p));
}
