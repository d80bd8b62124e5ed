/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The files of the mount: what each is, apart from FUSE. */
#ifndef NODE_H
#define NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct view;

struct node {
	const char *name;
	bool frozen;		/* of the frozen instant: the kernel keeps it */
	/* The file that it needs in the snapshot's folder; NULL: none. */
	const char *needs;
	/* All: a negative errno if it fails. */
	int (*stat)(struct view *v, const struct node *n, struct stat *ret);
	int64_t (*read)(struct view *v, const struct node *n, uint64_t at, char *buf,
			uint64_t size);
	int64_t (*seek)(struct view *v, const struct node *n, uint64_t at, int whence);
};

/* Numbers of inodes; the root has 1. */
enum { NODE_ROOT = 1, NODE_FIRST };

/* Is it to be listed? */
bool node_there(const struct view *v, const struct node *n);

/* NULL: there is none of that number. */
const struct node *node_at(uint64_t ino);
/* 0: there is none of that name. */
uint64_t node_find(const char *name);

#endif /* NODE_H */
