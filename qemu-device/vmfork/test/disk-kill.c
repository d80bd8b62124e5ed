/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Usage: disk-kill [ROUNDS]
 *
 * kill -9 of the storage daemon at random instants under a client that writes and flushes.
 * The client does what QEMU's does: it connects again and repeats the request that was not
 * answered.  In every other round it dies as well, and repeats nothing.  What a flush has
 * acknowledged must be there afterwards, and nothing that nobody wrote.
 */
#include <errno.h>
#include "disk-test.h"

#define BLOCK 4096
#define BLOCKS 4096
/* More than a cluster of qcow2 apart: nearly each write allocates one, which is what a
 * daemon could lose. */
#define STRIDE 131072
#define LONGEST_US 30000
#define SNAPSHOT_EVERY 50
#define PATIENCE (20 * G_USEC_PER_SEC)

/* By block: the last write that was sent, answered, and acknowledged by a flush */
static guint64 sent[BLOCKS], answered[BLOCKS], durable[BLOCKS];
static gboolean touched[BLOCKS];	/* in this round */
static guint64 sequence, writes, flushes;
static const char *disk;
static struct nbd_handle *nbd;

static gboolean reach(void)
{
	gint64 end = g_get_monotonic_time() + PATIENCE;

	nbd_close(nbd);
	while (!(nbd = client(disk)) && g_get_monotonic_time() < end)
		g_usleep(500);
	return nbd != NULL;
}

/* FALSE: the connection broke before the answer. */
static gboolean send_write(guint block)
{
	guint64 buf[BLOCK / 8];

	for (size_t i = 0; i < G_N_ELEMENTS(buf); i++)
		buf[i] = sent[block];
	if (nbd_pwrite(nbd, buf, sizeof(buf), (guint64)block * STRIDE, 0) < 0)
		return FALSE;
	answered[block] = sent[block];
	writes++;
	return TRUE;
}

static gboolean send_flush(void)
{
	if (nbd_flush(nbd, 0) < 0)
		return FALSE;
	memcpy(durable, answered, sizeof(durable));
	flushes++;
	return TRUE;
}

/* Writes and flushes until the daemon dies.  FALSE: it did not come back. */
static gboolean work(GRand *random, gboolean repeat)
{
	guint block;

	for (;;) {
		block = g_rand_int_range(random, 0, BLOCKS);
		sent[block] = ++sequence;
		touched[block] = TRUE;
		if (!send_write(block))
			return reach() && (!repeat || (send_write(block) && send_flush()));
		if (g_rand_int_range(random, 0, 3) == 0 && !send_flush())
			return reach() && (!repeat || send_flush());
	}
}

static gboolean block_right(guint block)
{
	guint64 buf[BLOCK / 8];

	if (sent[block] == 0)
		return TRUE;
	if (nbd_pread(nbd, buf, sizeof(buf), (guint64)block * STRIDE, 0) < 0)
		return FALSE;
	for (size_t i = 0; i < G_N_ELEMENTS(buf); i++) {
		if (buf[i] >= durable[block] && buf[i] <= sent[block])
			continue;
		printf("# block %u has write %" G_GUINT64_FORMAT ", acknowledged was %"
		       G_GUINT64_FORMAT "\n", block, buf[i], durable[block]);
		return FALSE;
	}
	/* What is there now stays: the next round may not go back behind it. */
	durable[block] = answered[block] = sent[block] = buf[0];
	return TRUE;
}

static guint wrong_blocks(gboolean all)
{
	guint n = 0;

	for (guint i = 0; i < BLOCKS; i++)
		if (all || touched[i])
			n += !block_right(i);
	memset(touched, 0, sizeof(touched));
	return n;
}

static pid_t killer(GRand *random)
{
	g_autoptr(JsonObject) process = NULL;
	gint64 delay = g_rand_int_range(random, 0, LONGEST_US);
	pid_t pid;

	/* The keeper may not have recorded the new daemon yet. */
	while (!process_alive(process)) {
		g_clear_pointer(&process, json_object_unref);
		process = storage_process(store);
		g_usleep(500);
	}
	pid = fork();
	if (pid == 0) {
		g_usleep(delay);
		_exit(process_signal(process, SIGKILL) ? 0 : 1);
	}
	return pid;
}

static gboolean round_right(GRand *random, gboolean repeat)
{
	pid_t pid = killer(random);
	gboolean back = work(random, repeat);
	int status;

	waitpid(pid, &status, 0);
	if (!back || status != 0) {
		printf("# the daemon did not come back, or was not killed\n");
		return FALSE;
	}
	return wrong_blocks(FALSE) == 0;
}

static gboolean snapshot_right(JsonArray *disks, guint round)
{
	g_autofree char *snap = g_strdup_printf("s%u", round), *file = NULL;
	GError *error = NULL;
	struct layers l;

	if (!fine(disk_prepare(store, disks, snap, &error), &error) ||
	    !fine(disk_freeze(store, disks, snap, &error), &error) ||
	    !fine(disk_keep(store, disks, snap, &error), &error))
		return FALSE;
	if (!layers_open(&l, store, NULL))
		return FALSE;
	file = g_strdup(layers_string(layers_layer(&l, json_array_get_string_element(
		json_object_get_array_member(layers_list(&l, "snapshots"), snap), 0)), "file"));
	layers_close(&l);
	return run("qemu-img check -q '%s'", file) == 0 &&
	       fine(disk_release(store, snap, &error), &error);
}

int main(int argc, char **argv)
{
	guint rounds = argc > 1 ? atoi(argv[1]) : 30, bad = 0, unclean = 0;
	gint64 start = g_get_monotonic_time();
	g_autoptr(GRand) random = NULL;
	g_autofree char *raw = NULL;
	JsonArray *disks = json_array_new();
	JsonObject *record = NULL;
	GError *error = NULL;
	guint32 seed = g_random_int();

	begin();
	random = g_rand_new_with_seed(seed);
	printf("# seed %u\n", seed);
	raw = in_folder("base.raw");
	run("truncate -s %dM '%s'", BLOCKS / 1024 * (STRIDE / 1024), raw);
	if (!ok(fine(disk_attach(store, "m", 0, raw, &record, &error), &error), "a disk"))
		return end();
	json_array_add_object_element(disks, record);
	disk = layers_string(record, "id");
	ok(reach(), "a client");
	for (guint i = 1; i <= rounds && nbd; i++) {
		bad += !round_right(random, i % 2);
		if (i % SNAPSHOT_EVERY != 0 && i != rounds)
			continue;
		bad += wrong_blocks(TRUE);
		unclean += !snapshot_right(disks, i);
	}
	printf("# %u deaths, %" G_GUINT64_FORMAT " writes, %" G_GUINT64_FORMAT " flushes, %.0f s\n",
	       rounds, writes, flushes, (g_get_monotonic_time() - start) / 1e6);
	ok(bad == 0, "no acknowledged write is lost (%u of %u rounds)", bad, rounds);
	ok(unclean == 0, "qemu-img check finds nothing");
	nbd_close(nbd);
	ok(fine(disk_release(store, "m", &error), &error), "released");
	return end();
}
