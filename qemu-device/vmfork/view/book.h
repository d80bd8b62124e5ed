/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What outlives a worker: one shared mapping, which the keeper hands to each of them.
 *
 *	struct book | requests of the FUSE threads | noted frames | index
 *
 * It is a memfd, not a file of the snapshot: a store into a page of a file may have to
 * wait for the disk, or die of a disk that is full, and the file would be of no use after
 * the keeper, whose death lets the memory go.
 */
#ifndef BOOK_H
#define BOOK_H

#include <stdatomic.h>
#include <stdint.h>

#define BOOK_THREADS 4
#define BOOK_HANDLES 8192

enum book_state { BOOK_OPEN, BOOK_ARMING, BOOK_FROZEN, BOOK_DROPPED };

/* Where a frame that is not kept is read. */
enum book_source { BOOK_MEMORY, BOOK_LOWER };

/*
 * How far a frozen view is with the next one.  BOOK_AHEAD: each frame is protected or
 * noted again.  BOOK_HANDED: all are protected, and the faults are the next server's.
 */
enum book_next { BOOK_ALONE, BOOK_AHEAD, BOOK_HANDED };

/* An open file of the mount.  unique: the request that opened it; 0: free. */
struct book_handle {
	_Atomic uint64_t unique;
	_Atomic uint32_t node;
};

struct book {
	_Atomic uint32_t state;
	_Atomic uint32_t source;
	_Atomic uint32_t live;		/* the machine's memory is under our protection */
	_Atomic uint32_t armed;		/* each frame is protected or noted */
	_Atomic uint32_t next;		/* enum book_next */
	_Atomic uint32_t full;		/* the budget or the disk is at its end */
	_Atomic uint32_t stopped;	/* the machine has acknowledged `stop` since */
	_Atomic uint32_t waiting;	/* a fault is held back */
	_Atomic uint32_t served;	/* the first worker came to serve */
	_Atomic uint32_t closed;	/* unmounted: the keeper ends */
	_Atomic uint32_t point;		/* test builds: it was there before */
	_Atomic uint64_t units;		/* of the buffer that are given away */
	_Atomic uint64_t spilled;	/* of the memory that stands in for it */
	_Atomic uint64_t kept, zero;	/* frames */
	_Atomic uint64_t blocks;	/* of 512 bytes, that RAM took when it froze */
	_Atomic uint64_t faults, reads, restarts;
	uint32_t init_size;		/* the kernel's first, for later workers */
	char init[512];
	struct book_handle handles[BOOK_HANDLES];
};

#endif /* BOOK_H */
