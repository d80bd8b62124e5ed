/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A process that is restored, or forks, more often than the library has room to note goes
 * on drawing, each time from DRBGs that were reseeded.
 */
#include "context.h"

#define SIZE	32
#define MANY	300

static OSSL_LIB_CTX *libctx;
static unsigned int before;

static void draw(void)
{
	unsigned char bytes[SIZE];

	CHECK_SSL(RAND_bytes_ex(libctx, bytes, SIZE, 0) == 1);
	CHECK(seeded(RAND_get0_public(libctx)) > before);
	before = seeded(RAND_get0_public(libctx));
}

/* Each child forks the next. */
static void generations_of_children(int n)
{
	pid_t pid;

	draw();
	if (n == 0)
		return;
	pid = fork();
	if (pid == 0) {
		generations_of_children(n - 1);
		_exit(0);
	}
	reap(pid);
}

int main(void)
{
	int fd = counter(0), i;

	libctx = context_guarded();
	for (i = 0; i < MANY; i++) {
		draw();
		CHECK(vmgen_test_bump(fd) == 0 && vmgen_test_ready(fd) == 0);
	}
	generations_of_children(100);
	OSSL_LIB_CTX_free(libctx);
	return 0;
}
