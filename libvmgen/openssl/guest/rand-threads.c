/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * rand-threads FIFO FILE: for each byte that comes through FIFO, write to FILE what
 * both DRBGs of each thread and those of a new child process give.  An application like
 * any other: it knows OpenSSL and nothing of generations.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/rand.h>

#define THREADS	4
#define SIZE	16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn = THREADS;	/* who draws: a thread, or nobody */
static FILE *out;

static void fail(const char *what)
{
	fprintf(stderr, "rand-threads: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void print(const char *name, int number, const unsigned char *bytes)
{
	int i;

	fprintf(out, "%s%d=", name, number);
	for (i = 0; i < SIZE; i++)
		fprintf(out, "%02x", bytes[i]);
	fputc('\n', out);
}

static void draw(const char *public, const char *private, int number)
{
	unsigned char bytes[SIZE];

	if (RAND_bytes(bytes, SIZE) != 1)
		fail("RAND_bytes");
	print(public, number, bytes);
	if (RAND_priv_bytes(bytes, SIZE) != 1)
		fail("RAND_priv_bytes");
	print(private, number, bytes);
}

static void *draw_in_turn(void *arg)
{
	int number = (int)(size_t)arg;

	pthread_mutex_lock(&lock);
	for (;;) {
		while (turn != number)
			pthread_cond_wait(&changed, &lock);
		draw("public", "private", number);
		turn++;
		pthread_cond_broadcast(&changed);
	}
	return NULL;
}

static void draw_in_child(void)
{
	pid_t pid;

	fflush(out);
	pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		draw("child-public", "child-private", 0);
		fclose(out);
		_exit(0);
	}
	if (waitpid(pid, NULL, 0) != pid)
		fail("waitpid");
}

/* The file appears when it is complete. */
static void answer(const char *file)
{
	char part[256];

	snprintf(part, sizeof(part), "%s.part", file);
	out = fopen(part, "we");
	if (!out)
		fail(part);
	pthread_mutex_lock(&lock);
	turn = 0;
	pthread_cond_broadcast(&changed);
	while (turn < THREADS)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	draw_in_child();
	if (fclose(out) || rename(part, file))
		fail(file);
}

int main(int argc, char **argv)
{
	pthread_t id;
	size_t i;
	char c;
	int fd;

	if (argc != 3)
		return 2;
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(argv[1]);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&id, NULL, draw_in_turn, (void *)i))
			fail("pthread_create");
	while (read(fd, &c, 1) == 1)
		answer(argv[2]);
	return 0;
}
