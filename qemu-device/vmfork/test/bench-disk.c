/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Usage: bench-disk [SECONDS]
 *
 * fio against a file of the host, a disk of vmfork, and the same disk without writethrough
 * (which loses data when the daemon dies): requests a second, and their share of the
 * file's.  The same jobs in a guest:
 *
 *	fio --name=j --filename=/dev/vda --ioengine=libaio --direct=1 --bs=4k --size=64m
 *	    --time_based --runtime=SECONDS --output-format=json, and what each line below has
 */
#include "disk-test.h"

static const struct {
	const char *name, *args;
} jobs[] = {
	{ "4 KiB reads, one at a time", "--rw=randread --bs=4k" },
	{ "4 KiB writes, one at a time", "--rw=randwrite --bs=4k" },
	{ "4 KiB writes, 16 at a time", "--rw=randwrite --bs=4k --iodepth=16" },
	{ "4 KiB writes, each with a flush", "--rw=randwrite --bs=4k --fsync=1" },
	{ "1 MiB writes, one at a time", "--rw=write --bs=1m" },
};

static int seconds = 3;

static double member(JsonObject *object, const char *of)
{
	return json_object_get_double_member_with_default(
		json_object_get_object_member(object, of), "iops", 0);
}

static double result(const char *path)
{
	g_autoptr(JsonObject) root = store_read(path, NULL);
	JsonArray *array = root ? json_object_get_array_member(root, "jobs") : NULL;
	JsonObject *job;

	if (!array || json_array_get_length(array) == 0)
		return 0;
	job = json_array_get_object_element(array, 0);
	return member(job, "read") + member(job, "write");
}

static double fio(const char *engine, const char *args)
{
	g_autofree char *out = in_folder("fio.json");

	if (run("fio --name=j --size=64m --time_based --runtime=%d --output-format=json "
		"--output='%s' %s %s 2>/dev/null", seconds, out, engine, args) != 0)
		return 0;
	return result(out);
}

static char *nbd_engine(const char *export)
{
	g_autofree char *path = store_path(store, "storage", "nbd.sock", NULL);
	g_autofree char *escaped = g_uri_escape_string(path, "/", FALSE);

	return g_strdup_printf("--ioengine=nbd --uri='nbd+unix:///%s?socket=%s'", export,
			       escaped);
}

static void export_writeback(const char *disk)
{
	JsonObject *export = image_object("type", "nbd", "id", "bench", "name", "bench", NULL);
	struct storage s;

	if (!storage_open(&s, store, STORAGE_QUICK, NULL))
		return;
	json_object_set_string_member(export, "node-name", layers_string(layers_get(&s.layers,
				      "disks", disk), "layer"));
	json_object_set_boolean_member(export, "writable", TRUE);
	qmp_do(s.qmp, "block-export-add", export, NULL);
	storage_close(&s);
}

static void withdraw_writeback(void)
{
	struct storage s;

	if (!storage_open(&s, store, STORAGE_QUICK, NULL))
		return;
	qmp_do(s.qmp, "block-export-del", image_object("id", "bench", "mode", "hard", NULL),
	       NULL);
	storage_close(&s);
}

static void bench(const char *disk)
{
	g_autofree char *path = in_folder("file"), *through = nbd_engine(disk);
	g_autofree char *back = nbd_engine("bench");
	g_autofree char *file = g_strdup_printf("--ioengine=libaio --filename='%s'", path);

	printf("%-34s %9s %16s %16s\n", "requests a second", "file", "disk", "writeback");
	for (size_t i = 0; i < G_N_ELEMENTS(jobs); i++) {
		double a = fio(file, jobs[i].args), b = fio(through, jobs[i].args);
		double c = fio(back, jobs[i].args);

		printf("%-34s %9.0f %9.0f %5.0f%% %9.0f %5.0f%%\n", jobs[i].name, a,
		       b, a > 0 ? b / a * 100 : 0, c, a > 0 ? c / a * 100 : 0);
	}
}

int main(int argc, char **argv)
{
	g_autofree char *raw = NULL;
	JsonObject *disk = NULL;
	GError *error = NULL;

	if (argc > 1)
		seconds = atoi(argv[1]);
	begin();
	raw = in_folder("a.raw");
	run("truncate -s 64M '%s'", raw);
	if (!fine(disk_attach(store, "b", 0, raw, &disk, &error), &error))
		return 1;
	export_writeback(layers_string(disk, "id"));
	bench(layers_string(disk, "id"));
	withdraw_writeback();
	fine(disk_release(store, "b", &error), &error);
	store_remove(folder, NULL);
	return 0;
}
