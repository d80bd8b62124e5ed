// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * snapspin page|read|random|guarded|unguarded COUNT: spins in user space, prints
 * "spinning", waits to be restored from a snapshot in another VM, and then
 * prints its first COUNT samples.
 *
 * The VM's number is always sampled first.  A sample whose number is new was
 * therefore taken by instructions that run after the restore, all of them.
 *
 *   page	VM-NUMBER GENERATION
 *   read	VM-NUMBER GENERATION READY-GENERATION RESEEDED INSTANCE RANDOM
 *   random	VM-NUMBER RANDOM
 *   guarded	VM-NUMBER TOKEN, of a generator that libvmgen guards
 *   unguarded	VM-NUMBER TOKEN, of the same generator on its own
 */
#define _GNU_SOURCE
#include <stdbool.h>
#include <sys/random.h>

#include <vmgen.h>

#include "guest.h"

#define SAMPLES_MAX	64

struct sample {
	unsigned int vm;
	uint64_t generation, ready, token;
	bool reseeded;
	unsigned char instance[16], random[16];
};

static const volatile struct vmgenctr_generation_page *page;
static const volatile struct vmgenctr_status_page *status;
static int counter;

static uint64_t prng_state;
static vmgen_guard guard = VMGEN_GUARD_INIT;

static int reseed(void *unused)
{
	(void)unused;
	if (getrandom(&prng_state, sizeof(prng_state), 0) != sizeof(prng_state))
		return -errno;
	return 0;
}

/* splitmix64: what matters is only that equal states give equal tokens. */
static uint64_t produce(void)
{
	uint64_t z = prng_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void sample_page(struct sample *s)
{
	s->vm = vm_number();
	s->generation = page->generation;
}

static void sample_random(struct sample *s)
{
	s->vm = vm_number();
	if (getrandom(s->random, sizeof(s->random), 0) != sizeof(s->random))
		die("getrandom");
}

static void sample_read(struct sample *s)
{
	struct vmgenctr_info info;

	s->vm = vm_number();
	info = read_counter(counter);
	if (getrandom(s->random, sizeof(s->random), 0) != sizeof(s->random))
		die("getrandom");
	s->ready = status->ready_generation;
	s->generation = info.generation;
	s->reseeded = info.flags & VMGENCTR_INFO_F_CRNG_RESEEDED;
	memcpy(s->instance, info.instance_id, sizeof(s->instance));
}

/*
 * The number is read inside of the guarded section: when it is new, the
 * restore came before vmgen_retry(), which had to notice.
 */
static void sample_guarded(struct sample *s)
{
	vmgen_epoch epoch;

	do {
		epoch = vmgen_begin(&guard, reseed, NULL);
		if (!epoch)
			die("vmgen_begin");
		s->token = produce();
		s->vm = vm_number();
	} while (vmgen_retry(&guard, epoch));
}

static void sample_unguarded(struct sample *s)
{
	s->token = produce();
	s->vm = vm_number();
}

static void print_page(const struct sample *s)
{
	printf("%u %llu\n", s->vm, (unsigned long long)s->generation);
}

static void print_bytes(const unsigned char bytes[16])
{
	putchar(' ');
	for (int i = 0; i < 16; i++)
		printf("%02x", bytes[i]);
}

static void print_random(const struct sample *s)
{
	printf("%u", s->vm);
	print_bytes(s->random);
	putchar('\n');
}

static void print_read(const struct sample *s)
{
	printf("%u %llu %llu %d", s->vm, (unsigned long long)s->generation,
	       (unsigned long long)s->ready, s->reseeded);
	print_bytes(s->instance);
	print_bytes(s->random);
	putchar('\n');
}

static void print_token(const struct sample *s)
{
	printf("%u %016llx\n", s->vm, (unsigned long long)s->token);
}

static const struct mode {
	const char *name;
	void (*take)(struct sample *s);
	void (*print)(const struct sample *s);
} modes[] = {
	{ "page", sample_page, print_page },
	{ "read", sample_read, print_read },
	{ "random", sample_random, print_random },
	{ "guarded", sample_guarded, print_token },
	{ "unguarded", sample_unguarded, print_token },
};

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	fprintf(stderr, "snapspin: no mode %s\n", name);
	exit(2);
}

static void prepare(void)
{
	need_vm_number();
	counter = open_counter();
	page = map_counter(counter, VMGENCTR_GENERATION_PGOFF);
	status = map_counter(counter, VMGENCTR_STATUS_PGOFF);
	if (reseed(NULL))
		die("getrandom");
}

int main(int argc, char **argv)
{
	static struct sample samples[SAMPLES_MAX];
	const struct mode *mode = find_mode(argc == 3 ? argv[1] : "");
	int count = atoi(argv[2]);
	unsigned int parent;

	if (count < 1 || count > SAMPLES_MAX)
		return 2;
	prepare();
	parent = vm_number();
	mode->take(samples);	/* everything is warm before the snapshot */
	puts("spinning");
	fflush(stdout);
	do
		mode->take(samples);
	while (samples[0].vm == parent);
	for (int i = 1; i < count; i++)
		mode->take(samples + i);
	for (int i = 0; i < count; i++)
		mode->print(samples + i);
	return 0;
}
