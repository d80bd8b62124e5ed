/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * examples/tls-ticket-key.c: a key that was rotated goes on to open, a key of another
 * epoch does not, and none is left in memory.
 */
#include "test.h"

#define main example_main
int main(void);
#include "../examples/tls-ticket-key.c"
#undef main

static struct ticket_keys keys = { .guard = VMGEN_GUARD_INIT };

static int opens(const struct ticket_key *key)
{
	struct ticket_key found;

	if (!key_to_open(&keys, key->name, &found))
		return 0;
	CHECK(memcmp(&found, key, sizeof(found)) == 0);
	return 1;
}

static struct ticket_key sealing(void)
{
	struct ticket_key key;
	vmgen_epoch epoch = key_to_seal(&keys, &key);

	CHECK(epoch && !vmgen_retry(&keys.guard, epoch));
	return key;
}

static int same(const struct ticket_key *a, const struct ticket_key *b)
{
	return memcmp(a->name, b->name, sizeof(a->name)) == 0 ||
	       memcmp(a->cipher, b->cipher, sizeof(a->cipher)) == 0 ||
	       memcmp(a->mac, b->mac, sizeof(a->mac)) == 0;
}

static void time_replaces_one_key_by_the_next(void)
{
	struct ticket_key first = sealing(), second, third;

	second = sealing();
	CHECK(same(&first, &second));
	CHECK(rotate_keys(&keys) == 0);
	second = sealing();
	CHECK(!same(&first, &second));
	CHECK(opens(&first) && opens(&second));
	CHECK(rotate_keys(&keys) == 0);
	third = sealing();
	CHECK(!opens(&first) && opens(&second) && opens(&third));
}

static void no_key_is_left(const struct ticket_key *old)
{
	struct ticket_key now = sealing();

	CHECK(!opens(old));
	CHECK(!same(old, &now) && !same(old, &keys.before));
}

static void a_restore_drops_all_keys(int fd)
{
	struct ticket_key before, now;
	struct ticket_key held;
	vmgen_epoch epoch = key_to_seal(&keys, &held);

	CHECK(rotate_keys(&keys) == 0);
	now = sealing();
	before = keys.before;
	CHECK(opens(&before) && opens(&now));
	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(vmgen_retry(&keys.guard, epoch));
	CHECK(!opens(&before));
	no_key_is_left(&before);
	no_key_is_left(&now);
}

/* The key that is replaced is one of the old epoch: it must not come back as the last. */
static void rotation_after_a_restore_keeps_none(int fd)
{
	struct ticket_key old = sealing();

	CHECK(vmgen_test_bump(fd) == 0);
	CHECK(rotate_keys(&keys) == 0);
	no_key_is_left(&old);
}

static void a_child_has_keys_of_its_own(void)
{
	struct ticket_key old = sealing();
	struct vmgen_info info;
	pid_t pid;

	CHECK(vmgen_sync(&info) == 0);
	if (!(info.flags & VMGEN_INFO_FORK))
		return;
	pid = fork();
	if (pid == 0) {
		no_key_is_left(&old);
		_exit(0);
	}
	reap(pid);
	CHECK(opens(&old));
}

int main(void)
{
	int fd = counter(0);

	time_replaces_one_key_by_the_next();
	a_restore_drops_all_keys(fd);
	rotation_after_a_restore_keeps_none(fd);
	a_child_has_keys_of_its_own();
	return 0;
}
