/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A stand-in for QEMU: a process of its own with shared memory in memfds, threads that
 * write to it in pairs that must agree, and a userfaultfd that it hands over as the command
 * ram-view-open does, with a watcher for the other end's hang-up.
 *
 * A pair is one number at the same place of two frames, half a block apart.  A machine that
 * was told to stop stands between two pairs.
 */
#ifndef STANDIN_H
#define STANDIN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STANDIN_BLOCKS 4
#define STANDIN_WRITERS 4
#define STANDIN_TIMED 20000
#define STANDIN_PAIRS 128		/* in each pair of frames */

#define CHECK(cond) check(!!(cond), __FILE__, __LINE__, #cond)

struct standin_block {
	uint64_t size, page;
	unsigned char *mem;		/* mapped by the test as well */
	int fd;
	uint64_t host;			/* where the machine has it */
};

/* What both processes see. */
struct standin_shared {
	_Atomic int stop, parked, closed, ready;
	_Atomic int close;		/* ram-view-close */
	_Atomic uint64_t writes, sweep;
	_Atomic int write_all;		/* write every frame once, in order */
	uint64_t host[STANDIN_BLOCKS];
	_Atomic int timed;		/* time so many writes to frames in order */
	float us[STANDIN_TIMED];
};

struct standin {
	pid_t pid;
	int writers, n_blocks, command;
	struct standin_block blocks[STANDIN_BLOCKS];
	struct standin_shared *shared;
	int uffd, peer;			/* received */
	uint64_t size;
};

struct view {
	char dir[256];			/* of the snapshot */
	unsigned char *truth;		/* memory at the freeze */
	uint64_t size;
};

void check(bool true_, const char *file, int line, const char *what);
void skip(const char *reason);
void need_root(void);			/* and what else all of this needs */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A machine of blocks with @page bytes a page; 0: pages of 4096. */
void standin_start(struct standin *m, int writers, int n_blocks, uint64_t size, uint64_t page);
void standin_open(struct standin *m);	/* ram-view-open */
void standin_stop(struct standin *m);
void standin_cont(struct standin *m);
void standin_kill(struct standin *m);
/* Wait for @n more writes of pairs. */
void standin_progress(struct standin *m, uint64_t n);
/* Have it write each frame, and wait until it has. */
void standin_write_all(struct standin *m);

/* A view server in a folder of its own.  @more: further arguments, NULL at the end. */
void view_start(struct view *v, struct standin *m, const char *const *more);
/* The server of @old hands over at the freeze. */
void view_start_next(struct view *v, struct view *old, struct standin *m);
void view_start_json(struct view *v, const char *json, const char *const *more);
/* The exit status; what it says on standard error goes to @error. */
int view_try(struct view *v, const char *json, const char *const *more, char *error,
	     size_t size);
void view_dir(struct view *v);
void view_freeze(struct view *v, struct standin *m);	/* of a machine that stands */
void view_truth(struct view *v, struct standin *m);	/* its part that is no request */
void view_end(struct view *v);		/* close, remove the folder, check the log */

/* A reply is in a buffer of the callee's; a lost connection is tried again. */
const char *view_ask(struct view *v, const char *request);
const char *view_ask_raw(struct view *v, const void *data, size_t size);
void view_ok(struct view *v, const char *request);
void view_fails(struct view *v, const char *request, const char *text);
int64_t view_number(struct view *v, const char *field);
bool view_flag(struct view *v, const char *field);
bool view_is(struct view *v, const char *state);
pid_t view_worker(struct view *v);
pid_t view_keeper(struct view *v);

int view_open(struct view *v);		/* view/ram */
/* Read it all by read() or mmap(), compare with the truth.  Pairs that disagree. */
uint64_t view_torn(struct view *v, struct standin *m, const unsigned char *ram);
void view_compare(struct view *v, int fd);
void view_compare_mmap(struct view *v, struct standin *m);

/*
 * A reader of the first frame that is held at a point of the server (view/point.h).
 * gate_open() is before view_start(), gate_reader() returns when it is held.
 */
struct gate {
	struct view *view;
	pthread_t thread;
	char path[64];
	int fd;
};

void gate_open(struct gate *g, const char *point);
void gate_reader(struct gate *g, struct view *v);
/* 0: it read what is true; else its errno. */
int gate_release(struct gate *g);

#endif /* STANDIN_H */
