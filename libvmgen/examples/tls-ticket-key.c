/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Keys of TLS session tickets.  A server seals the state of a session with a key that
 * only it has, gives the result to the client, and opens it when the client returns.
 *
 * When its time is up a key is replaced, and goes on to open what it has sealed.  When
 * the epoch ends it must not do that: every sibling of this machine has the key, and so
 * has whoever has the snapshot.  To go on sealing would use one key and one sequence of
 * nonces in several machines; to go on opening would accept what a sibling, maybe
 * somebody else's by now, has sealed, and would let each of the siblings accept the same
 * early data once.  A ticket that is refused costs one full handshake, so all keys are
 * dropped.
 *
 * The TLS library seals and opens; these are the keys that its callback returns, here
 * for one thread.
 * Commands on standard input, answers on standard output:
 *
 *	seal		the name of the key for a new ticket
 *	open NAME	"yes" if there is a key of that name, else "no"
 *	rotate		the time of the key is up
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <vmgen.h>

#define NAME_SIZE	16

struct ticket_key {
	uint8_t name[NAME_SIZE];	/* in clear in the ticket */
	uint8_t cipher[32];
	uint8_t mac[32];
};

struct ticket_keys {
	vmgen_guard guard;
	struct ticket_key now;		/* seals and opens */
	struct ticket_key before;	/* opens */
	int has_before;
};

static int new_key(struct ticket_key *key)
{
	return vmgen_getrandom(key, sizeof(*key), VMGEN_UNVERIFIED);
}

/* The end of an epoch. */
static int forget_keys(void *ctx)
{
	struct ticket_keys *keys = ctx;

	explicit_bzero(&keys->before, sizeof(keys->before));
	keys->has_before = 0;
	return new_key(&keys->now);
}

/* The end of a key's time. */
static int rotate_keys(struct ticket_keys *keys)
{
	struct ticket_key next;
	vmgen_epoch epoch;

	do {
		epoch = vmgen_begin(&keys->guard, forget_keys, keys);
		if (!epoch || new_key(&next) < 0)
			return -1;
		keys->before = keys->now;
		keys->has_before = 1;
		keys->now = next;
	} while (vmgen_retry(&keys->guard, epoch));
	explicit_bzero(&next, sizeof(next));
	return 0;
}

/*
 * Both return a copy of a key and the epoch that it belongs to, or 0.  Once the ticket is
 * sealed and before it is sent, or once it is opened and before the session is resumed,
 * ask vmgen_retry(&keys->guard, epoch): if that is true, begin again.
 */
static vmgen_epoch key_to_seal(struct ticket_keys *keys, struct ticket_key *ret)
{
	vmgen_epoch epoch = vmgen_begin(&keys->guard, forget_keys, keys);

	if (epoch)
		*ret = keys->now;
	return epoch;
}

/* 0: not ours, or not ours any more; the handshake goes on without the ticket. */
static vmgen_epoch key_to_open(struct ticket_keys *keys, const uint8_t name[NAME_SIZE],
			       struct ticket_key *ret)
{
	vmgen_epoch epoch = vmgen_begin(&keys->guard, forget_keys, keys);

	if (epoch && memcmp(keys->now.name, name, NAME_SIZE) == 0)
		*ret = keys->now;
	else if (epoch && keys->has_before && memcmp(keys->before.name, name, NAME_SIZE) == 0)
		*ret = keys->before;
	else
		return 0;
	return epoch;
}

static int answer_seal(struct ticket_keys *keys)
{
	char text[2 * NAME_SIZE + 1];
	struct ticket_key key;
	vmgen_epoch epoch;
	int i;

	do {	/* here a server would seal */
		epoch = key_to_seal(keys, &key);
		if (!epoch)
			return -1;
		for (i = 0; i < NAME_SIZE; i++)
			sprintf(text + 2 * i, "%02x", key.name[i]);
	} while (vmgen_retry(&keys->guard, epoch));
	explicit_bzero(&key, sizeof(key));
	return puts(text);
}

static int answer_open(struct ticket_keys *keys, const char *text)
{
	uint8_t name[NAME_SIZE];
	struct ticket_key key;
	vmgen_epoch epoch;
	int i;

	for (i = 0; i < NAME_SIZE; i++)
		if (sscanf(text + 2 * i, "%2hhx", &name[i]) != 1)
			return puts("no");
	do {	/* here a server would open */
		epoch = key_to_open(keys, name, &key);
	} while (epoch && vmgen_retry(&keys->guard, epoch));
	explicit_bzero(&key, sizeof(key));
	return puts(epoch ? "yes" : "no");
}

static int answer(struct ticket_keys *keys, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, "seal") == 0)
		return answer_seal(keys);
	if (strncmp(line, "open ", 5) == 0 && strlen(line) == 5 + 2 * NAME_SIZE)
		return answer_open(keys, line + 5);
	if (strcmp(line, "rotate") == 0)
		return rotate_keys(keys) < 0 ? -1 : puts("rotated");
	return puts("what?");
}

int main(void)
{
	static struct ticket_keys keys = { .guard = VMGEN_GUARD_INIT };
	char line[80];

	while (fgets(line, sizeof(line), stdin))
		if (answer(&keys, line) < 0 || fflush(stdout) != 0)
			return 1;
	return 0;
}
