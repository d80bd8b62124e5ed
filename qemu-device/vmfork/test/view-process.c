/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A fork: a process that maps a lower view's ram privately.  What it wrote is in its view,
 * all else comes from below; what it writes later is not seen.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "standin.h"

#define SIZE (16u << 20)
#define FRAMES (SIZE / 4096)

struct fork {
	pid_t pid;
	struct fork_shared {
		_Atomic int step, done;
		uint64_t host;
	} *shared;
};

/* Writes every @step-th frame each time it is told to. */
static void live(struct fork *f, int ram)
{
	unsigned char *mem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ram, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CHECK(mem != MAP_FAILED);
	f->shared->host = (uintptr_t)mem;
	for (int done = 0; ; ) {
		int step = atomic_load(&f->shared->step);

		if (step == 0) {
			usleep(500);
			continue;
		}
		for (unsigned int i = 0; i < FRAMES; i += step)
			mem[i * 4096 + 17] = 0xa0 + step;
		for (unsigned int i = 1; i < FRAMES; i += step)
			memset(mem + i * 4096, 0, 4096);
		atomic_store(&f->shared->step, 0);
		atomic_store(&f->shared->done, ++done);
	}
}

static void start(struct fork *f, struct view *below)
{
	int ram = view_open(below);

	f->shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(f->shared != MAP_FAILED);
	f->pid = fork();
	if (f->pid == 0)
		live(f, ram);
	close(ram);
}

static void write_frames(struct fork *f, int step)
{
	int done = atomic_load(&f->shared->done);

	atomic_store(&f->shared->step, step);
	while (atomic_load(&f->shared->done) == done)
		usleep(500);
}

static void expect(struct view *v, const struct view *below, int step)
{
	v->size = SIZE;
	v->truth = malloc(SIZE);
	CHECK(v->truth);
	memcpy(v->truth, below->truth, SIZE);
	for (unsigned int i = 0; i < FRAMES; i += step)
		v->truth[i * 4096 + 17] = 0xa0 + step;
	for (unsigned int i = 1; i < FRAMES; i += step)
		memset(v->truth + i * 4096, 0, 4096);
}

static void compare(struct view *v)
{
	int fd = view_open(v);

	view_compare(v, fd);
	close(fd);
}

static void take(struct view *v, struct fork *f, struct view *below, const char *const *more)
{
	char json[1000];

	view_dir(v);
	snprintf(json, sizeof(json), "{\"version\": 1, \"process\": %d, \"base\": "
		 "\"%s/view/ram\", \"maps\": [{\"host\": %llu, \"offset\": 0, \"size\": %u}]}",
		 f->pid, below->dir, (unsigned long long)f->shared->host, SIZE);
	view_start_json(v, json, more);
}

static void fork_of(struct view *below)
{
	const char *const small[] = { "--budget", "1048576", NULL };
	struct view v, w;
	struct fork f;

	start(&f, below);
	write_frames(&f, 5);
	take(&v, &f, below, NULL);
	CHECK(view_is(&v, "open"));
	view_ok(&v, "{\"op\": \"freeze\"}");
	expect(&v, below, 5);
	/* Step 5 keeps two frames of five, of which one is zero. */
	CHECK(view_number(&v, "kept") >= FRAMES / 5 - 1);
	CHECK(view_number(&v, "zero") >= FRAMES / 5 - 1);
	CHECK(view_number(&v, "kept") + view_number(&v, "zero") < FRAMES / 2);
	compare(&v);
	write_frames(&f, 1);
	compare(&v);
	/* A budget that it does not fit into is an error, of the snapshot alone. */
	take(&w, &f, below, small);
	write_frames(&f, 3);
	view_fails(&w, "{\"op\": \"freeze\"}", "no room");
	view_end(&w);
	/* A view of a view, of a process that is gone meanwhile. */
	take(&w, &f, &v, NULL);
	kill(f.pid, SIGKILL);
	CHECK(waitpid(f.pid, NULL, 0) == f.pid);
	view_fails(&w, "{\"op\": \"freeze\"}", "ended");
	view_end(&w);
	compare(&v);
	view_end(&v);
}

int main(void)
{
	struct standin m;
	struct view v;

	need_root();
	standin_start(&m, 2, 1, SIZE, 0);
	standin_write_all(&m);
	view_start(&v, &m, NULL);
	standin_stop(&m);
	view_freeze(&v, &m);
	standin_cont(&m);
	fork_of(&v);
	view_end(&v);
	standin_kill(&m);
	return 0;
}
