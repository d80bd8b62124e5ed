/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * examples/uuid.c: the pool is used up in its epoch, and nothing of it comes out in
 * the next, nor in a child.
 */
#include "test.h"

static int machine, restores;

/* The machine is restored when the bytes are there, and nothing is taken yet. */
static int fill(void *bytes, size_t size, unsigned int flags)
{
	int r = vmgen_getrandom(bytes, size, flags);

	if (restores && restores--)
		CHECK(vmgen_test_bump(machine) == 0);
	return r;
}

#define vmgen_getrandom	fill
#define main		example_main
int main(int argc, char **argv);
#include "../examples/uuid.c"
#undef main
#undef vmgen_getrandom

static int equal(const uint8_t a[UUID_SIZE], const uint8_t b[UUID_SIZE])
{
	return memcmp(a, b, UUID_SIZE) == 0;
}

static void a_pool_gives_each_once(void)
{
	uint8_t uuid[POOL_SIZE + 1][UUID_SIZE];
	static const struct uuid_pool used_up;
	int i, j;

	for (i = 0; i <= POOL_SIZE; i++) {
		if (i == POOL_SIZE)
			CHECK(memcmp(pool.bytes, used_up.bytes, sizeof(pool.bytes)) == 0);
		CHECK(uuid_new(uuid[i]) == 0);
		CHECK(pool.left == (size_t)(POOL_SIZE - 1 - i % POOL_SIZE));
		CHECK((uuid[i][6] & 0xf0) == 0x40 && (uuid[i][8] & 0xc0) == 0x80);
		for (j = 0; j < i; j++)
			CHECK(!equal(uuid[i], uuid[j]));
	}
}

/* Nothing that a sibling has in its pool is in ours. */
static void nothing_is_left_of(struct uuid_pool *sibling)
{
	uint8_t ours[POOL_SIZE][UUID_SIZE], theirs[UUID_SIZE];
	int i;

	CHECK(sibling->left > 1);
	for (i = 0; i < POOL_SIZE; i++)
		CHECK(uuid_new(ours[i]) == 0);
	while (sibling->left) {
		pool_take(sibling, theirs);
		for (i = 0; i < POOL_SIZE; i++)
			CHECK(!equal(ours[i], theirs));
	}
}

static void a_restore_discards_the_pool(void)
{
	struct uuid_pool sibling = pool;

	CHECK(vmgen_test_bump(machine) == 0);
	nothing_is_left_of(&sibling);
}

static void a_restore_while_it_is_filled(void)
{
	uint8_t uuid[UUID_SIZE];

	while (pool.left)
		CHECK(uuid_new(uuid) == 0);
	restores = 1;
	CHECK(uuid_new(uuid) == 0 && restores == 0);
	/* Taken from the second pool of the two, and not from what is left of the first. */
	CHECK(pool.left == POOL_SIZE - 1);
	CHECK(!vmgen_changed(&pool.guard));
}

static void a_child_discards_the_pool(void)
{
	uint8_t ours[UUID_SIZE], theirs[UUID_SIZE];
	struct uuid_pool sibling;
	struct vmgen_info info;
	pid_t pid;

	CHECK(uuid_new(ours) == 0 && vmgen_sync(&info) == 0);
	sibling = pool;
	if (!(info.flags & VMGEN_INFO_FORK))
		return;
	pid = fork();
	if (pid == 0) {
		nothing_is_left_of(&sibling);
		_exit(0);
	}
	reap(pid);
	CHECK(uuid_new(ours) == 0);
	pool_take(&sibling, theirs);
	CHECK(equal(ours, theirs));
}

static void without_a_counter(void)
{
	uint8_t one[UUID_SIZE], two[UUID_SIZE];

	CHECK(vmgen_test_fault(machine, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_test_install(machine) == 0);
	CHECK(vmgen_status() == VMGEN_ABSENT);
	CHECK(uuid_new(one) == 0 && uuid_new(two) == 0);
	CHECK(!equal(one, two));
}

static void text_is_that_of_the_rfc(void)
{
	static const uint8_t uuid[UUID_SIZE] = { 0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0,
						 0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6 };
	char text[37];

	uuid_format(uuid, text);
	CHECK(strcmp(text, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6") == 0);
}

int main(void)
{
	machine = counter(0);
	a_pool_gives_each_once();
	a_restore_discards_the_pool();
	a_restore_while_it_is_filled();
	a_child_discards_the_pool();
	without_a_counter();
	text_is_that_of_the_rfc();
	return 0;
}
