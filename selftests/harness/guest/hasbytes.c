// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * hasbytes HEX[,HEX...] PATH...: prints the path of every file at or below the
 * PATHs that contains one of the byte strings.  Exits 0 when there is none,
 * 1 when there is one, 2 when it could not look.
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "guest.h"

#define NEEDLES_MAX	32
#define FILE_MAX	(1 << 20)	/* endless files of sysfs: this much of them */

static struct {
	unsigned char bytes[64];
	size_t len;
} needles[NEEDLES_MAX];
static int needle_count, found;
static unsigned long files;

static void add_needle(const char *hex)
{
	size_t len = strlen(hex) / 2;

	if (needle_count == NEEDLES_MAX || !len || len > sizeof(needles[0].bytes))
		exit(2);
	for (size_t i = 0; i < len; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &needles[needle_count].bytes[i]) != 1)
			exit(2);
	needles[needle_count++].len = len;
}

static size_t slurp(const char *path, unsigned char *to)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return 0;	/* write-only, or gone: holds nothing to read */
	while (len < FILE_MAX && (n = read(fd, to + len, FILE_MAX - len)) > 0)
		len += n;
	close(fd);
	files++;
	return len;
}

static int look(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	static unsigned char content[FILE_MAX];
	size_t len;

	(void)ftw;
	if (type != FTW_F || !(S_ISREG(st->st_mode) || S_ISCHR(st->st_mode)))
		return 0;
	len = slurp(path, content);
	for (int i = 0; i < needle_count; i++) {
		if (!memmem(content, len, needles[i].bytes, needles[i].len))
			continue;
		puts(path);
		found = 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	for (char *hex = strtok(argv[1], ","); hex; hex = strtok(NULL, ","))
		add_needle(hex);
	for (int i = 2; i < argc; i++)
		if (nftw(argv[i], look, 16, FTW_PHYS | FTW_MOUNT)) {
			perror(argv[i]);
			return 2;
		}
	fprintf(stderr, "%lu files looked at\n", files);
	return found;
}
