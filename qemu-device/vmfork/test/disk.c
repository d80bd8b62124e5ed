/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Disks with a real qemu-storage-daemon, and a client of NBD in place of QEMU. */
#include "disk-test.h"

static gboolean file_filled(const char *path, char byte, size_t size)
{
	g_autofree char *buf = g_malloc(size);

	memset(buf, byte, size);
	return g_file_set_contents(path, buf, size, NULL);
}

static JsonArray *attach(const char *owner, const char *spec)
{
	JsonArray *disks = json_array_new();
	JsonObject *disk = NULL;
	GError *error = NULL;

	if (!fine(disk_attach(store, owner, 0, spec, &disk, &error), &error))
		return disks;
	json_array_add_object_element(disks, disk);
	return disks;
}

static gboolean release(const char *owner)
{
	GError *error = NULL;

	return fine(disk_release(store, owner, &error), &error);
}

static gboolean snapshot(JsonArray *disks, const char *snap)
{
	GError *error = NULL;

	return fine(disk_prepare(store, disks, snap, &error), &error) &&
	       fine(disk_freeze(store, disks, snap, &error), &error) &&
	       fine(disk_keep(store, disks, snap, &error), &error);
}

static JsonArray *forked(const char *snap, const char *owner)
{
	JsonArray *disks = NULL;
	GError *error = NULL;

	fine(disk_clone(store, snap, owner, &disks, &error), &error);
	return disks ?: json_array_new();
}

/* How many files of ours there are */
static guint files(void)
{
	g_autofree char *path = store_path(store, "images", NULL);
	GDir *dir = g_dir_open(path, 0, NULL);
	const char *name;
	guint n = 0;

	while (dir && (name = g_dir_read_name(dir)))
		n += g_str_has_suffix(name, ".qcow2");
	if (dir)
		g_dir_close(dir);
	return n;
}

static char *layer_file(const char *disk)
{
	char *file = NULL;
	struct layers l;

	if (!layers_open(&l, store, NULL))
		return NULL;
	file = g_strdup(layers_string(layers_layer(&l, layers_string(layers_get(&l, "disks",
			disk), "layer")), "file"));
	layers_close(&l);
	return file;
}

static gint64 file_used(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (gint64)st.st_blocks * 512 : -1;
}

static void kill_daemon(void)
{
	g_autoptr(JsonObject) process = storage_process(store);

	process_end(process, NULL);
}

static gboolean daemon_runs(void)
{
	g_autoptr(JsonObject) process = storage_process(store);

	return process_alive(process);
}

/* --- the tests --- */

static void test_attach(const char *raw)
{
	g_autofree char *top = NULL, *bytes = NULL;
	g_autoptr(JsonArray) disks = attach("a", raw);
	JsonObject *disk = NULL;
	GError *error = NULL;
	gint64 used;
	gsize size;

	ok(has(id_of(disks, 0), 'b', 0, MIB), "a disk has what its image has");
	top = layer_file(id_of(disks, 0));
	used = file_used(top);
	ok(put(id_of(disks, 0), 'w', MIB, MIB) && has(id_of(disks, 0), 'w', MIB, MIB),
	   "what is written is read");
	ok(file_used(top) - used < 2 * MIB, "a layer grows by what was written (1 MiB: %d KiB)",
	   (int)((file_used(top) - used) >> 10));
	ok(g_file_get_contents(raw, &bytes, &size, NULL) && bytes[MIB] == 'b',
	   "the image of the user is not written");
	ok(refused(disk_attach(store, "b", 0, raw, &disk, &error), &error, "machine a has"),
	   "a second machine on one image is refused, and the first is named");
	ok(run("! qemu-img bench -q -c 1 -w -f raw '%s' 2>/dev/null", raw) == 0,
	   "no other program of QEMU's opens the image for writing");
	ok(run("qemu-img bench -q -c 1 -f raw '%s' >/dev/null", raw) == 0, "but for reading");
	kill_daemon();
	ok(fine(disk_collect(store, &error), &error) && has(id_of(disks, 0), 'w', MIB, MIB) &&
	   run("! qemu-img bench -q -c 1 -w -f raw '%s' 2>/dev/null", raw) == 0,
	   "the next daemon has the same disks, content and locks");
	ok(release("a") && files() == 0, "with the machine its layers go");
	ok(run("qemu-img bench -q -c 1 -w -f raw '%s' >/dev/null", raw) == 0,
	   "nobody holds the image any more");
	ok(!daemon_runs(), "without disks there is no daemon");
}

static gboolean attach_refused(const char *spec, const char *names)
{
	JsonObject *disk = NULL;
	GError *error = NULL;

	return refused(disk_attach(store, "f", 0, spec, &disk, &error), &error, names);
}

static gboolean attaches(const char *spec)
{
	g_autoptr(JsonArray) disks = attach("f", spec);

	return json_array_get_length(disks) == 1 && release("f");
}

static void test_formats(const char *raw)
{
	g_autofree char *image = in_folder("x.qcow2"), *odd = in_folder("odd.img");
	g_autofree char *over = in_folder("over.qcow2"), *data = in_folder("data.qcow2");
	g_autofree char *as_qcow2 = g_strconcat("qcow2:", odd, NULL);
	g_autofree char *as_raw = g_strconcat("raw:", odd, NULL), *gone = in_folder("gone.raw");

	run("qemu-img create -q -f qcow2 '%s' 4M; cp '%s' '%s'", image, image, odd);
	run("qemu-img create -q -f qcow2 -F raw -b '%s' '%s'", raw, over);
	run("cd '%s' && qemu-img create -q -f qcow2 -o data_file=d.raw '%s' 4M", folder, data);
	ok(attaches(image), "an image with the name of a qcow2 file is one");
	ok(attach_refused(odd, "qcow2:"), "a qcow2 header in another file is not believed");
	ok(attaches(as_qcow2), "unless the user says so");
	ok(attaches(as_raw), "or that it is raw");
	ok(attach_refused(over, "stands alone"), "one that names a backing file is refused");
	ok(attach_refused(data, "stands alone"), "and one that names a data file");
	ok(attach_refused(gone, "gone.raw"), "a file that is not there is named");
	ok(attach_refused(folder, "neither a file"), "a folder is no image");
	ok(attach_refused("nbd:nbds://host/x", "no TLS"), "an NBD URI that cannot be had");
	ok(attach_refused("nbd:nbd+unix:///x", "socket=PATH"), "and one without a socket");
	ok(files() == 0, "what was refused leaves no file");
}

static void test_snapshot(const char *raw)
{
	g_autoptr(JsonArray) disks = attach("a", raw), one = NULL, two = NULL, none = NULL;
	g_autofree char *top = layer_file(id_of(disks, 0)), *copy = in_folder("copy.qcow2");
	GError *error = NULL;
	struct stat st;
	gint64 begin, us;
	gboolean done;

	put(id_of(disks, 0), '1', 0, MIB);
	done = fine(disk_prepare(store, disks, "s", &error), &error);
	begin = g_get_monotonic_time();
	done = done && fine(disk_freeze(store, disks, "s", &error), &error);
	us = g_get_monotonic_time() - begin;
	put(id_of(disks, 0), '2', 0, MIB);
	ok(done && fine(disk_keep(store, disks, "s", &error), &error), "a snapshot of a disk");
	printf("# disk_freeze: %d us\n", (int)us);
	ok(stat(top, &st) == 0 && (st.st_mode & 0777) == 0444, "a frozen layer is read-only");
	ok(run("! qemu-img bench -q -c 1 -w -f qcow2 '%s' 2>/dev/null", top) == 0,
	   "and locked");
	one = forked("s", "one");
	two = forked("s", "two");
	ok(has(id_of(one, 0), '1', 0, MIB) && has(id_of(two, 0), '1', 0, MIB),
	   "clones have the instant of the snapshot");
	put(id_of(one, 0), '3', 0, MIB);
	ok(has(id_of(disks, 0), '2', 0, MIB) && has(id_of(one, 0), '3', 0, MIB) &&
	   has(id_of(two, 0), '1', 0, MIB), "nobody sees what another one writes");
	ok(snapshot(one, "t") && (none = forked("t", "three")) &&
	   has(id_of(none, 0), '3', 0, MIB), "a snapshot of a clone");
	ok(fine(disk_copy(store, "s", 0, copy, NULL, &error), &error) &&
	   run("qemu-img check -q '%s'", copy) == 0, "a copy for a checkpoint");
	ok(run("qemu-img convert -O raw '%s' '%s.raw' && head -c 1048576 /dev/zero | "
	       "tr '\\0' 1 | cmp -s -n 1048576 - '%s.raw'", copy, copy, copy) == 0,
	   "has the instant, and stands alone");
	ok(refused(disk_copy(store, "s", 1, copy, NULL, &error), &error, "no disk 1"),
	   "a disk that a snapshot has not");
	ok(refused(disk_prepare(store, disks, "s", &error), &error, "already"),
	   "a name is not given twice");
	ok(release("s") && has(id_of(two, 0), '1', 0, MIB) && access(top, F_OK) == 0,
	   "a layer stays as long as a clone needs it");
	ok(release("a") && release("one") && release("two") && access(top, F_OK) == 0,
	   "or a clone's snapshot");
	ok(release("t") && release("three") && files() == 0, "and goes with the last");
}

static void test_abandon(const char *raw)
{
	g_autoptr(JsonArray) disks = attach("a", raw), none = json_array_new();
	GError *error = NULL;
	guint n = files();

	ok(fine(disk_prepare(store, disks, "s", &error), &error) && files() == n + 1,
	   "a layer is prepared");
	disk_abandon(store, disks, "s");
	ok(files() == n && put(id_of(disks, 0), 'a', 0, 4096), "and taken back");
	ok(refused(disk_freeze(store, disks, "s", &error), &error, "not prepared"),
	   "then it cannot be frozen");
	ok(snapshot(disks, "s"), "frozen");
	put(id_of(disks, 0), 'b', 0, 4096);
	disk_abandon(store, disks, "s");
	ok(has(id_of(disks, 0), 'b', 0, 4096), "and taken back, what was written stays");
	ok(snapshot(none, "n"), "a machine without disks needs nothing");
	release("a");
	ok(files() == 0, "nothing is left");
}

/* A vmfork that dies at a step */
static void dies(void (*step)(JsonArray *), JsonArray *disks)
{
	pid_t pid = fork();

	if (pid == 0) {
		step(disks);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void die_prepared(JsonArray *disks)
{
	disk_prepare(store, disks, "s", NULL);
}

static void die_switched(JsonArray *disks)
{
	struct storage s;

	disk_prepare(store, disks, "s", NULL);
	if (storage_open(&s, store, STORAGE_QUICK, NULL))
		switch_apply(&s, "s", NULL);
}

static void test_crashes(const char *raw)
{
	g_autoptr(JsonArray) disks = attach("a", raw), clones = NULL;
	g_autofree char *orphan = store_path(store, "images", "l999.qcow2", NULL);
	GError *error = NULL;
	guint n = files();

	dies(die_prepared, disks);
	ok(files() == n + 1 && fine(disk_collect(store, &error), &error) && files() == n,
	   "died before the pause: taken back");
	put(id_of(disks, 0), '1', 0, 4096);
	dies(die_switched, disks);
	put(id_of(disks, 0), '2', 0, 4096);
	clones = forked("s", "c");
	ok(has(id_of(disks, 0), '2', 0, 4096) && json_array_get_length(clones) == 1 &&
	   has(id_of(clones, 0), '1', 0, 4096), "died in the pause: finished");
	release("s");
	release("c");
	dies(die_switched, disks);
	put(id_of(disks, 0), '3', 0, 4096);
	kill_daemon();
	ok(fine(disk_collect(store, &error), &error) && has(id_of(disks, 0), '3', 0, 4096),
	   "died in the pause, and the daemon as well: what was written is there");
	release("s");
	ok(fine(disk_prepare(store, disks, "s", &error), &error) &&
	   fine(disk_freeze(store, disks, "s", &error), &error) &&
	   put(id_of(disks, 0), '4', 0, 4096), "frozen");
	kill_daemon();
	ok(fine(disk_keep(store, disks, "s", &error), &error) &&
	   has(id_of(disks, 0), '4', 0, 4096), "the daemon died before that was recorded");
	release("s");
	ok(fine(disk_prepare(store, disks, "s", &error), &error), "prepared");
	kill_daemon();
	ok(fine(disk_freeze(store, disks, "s", &error), &error) &&
	   fine(disk_keep(store, disks, "s", &error), &error), "the daemon died before that");
	release("s");
	put(id_of(disks, 0), '3', 0, 4096);
	dies(die_prepared, disks);
	kill_daemon();
	ok(fine(disk_collect(store, &error), &error) && has(id_of(disks, 0), '3', 0, 4096),
	   "died before the pause, and the daemon as well");
	ok(file_filled(orphan, 'o', 10) && fine(disk_collect(store, &error), &error) &&
	   access(orphan, F_OK) < 0, "a file without a record is removed");
	release("s");
	release("a");
	ok(files() == 0, "nothing is left");
}

static void test_changed_base(const char *raw)
{
	g_autoptr(JsonArray) disks = attach("a", raw), none = NULL;
	GError *error = NULL;
	JsonObject *disk = NULL;

	snapshot(disks, "s");
	ok(run("printf x | dd of='%s' bs=1 seek=5 conv=notrunc status=none", raw) == 0 &&
	   refused(disk_clone(store, "s", "c", &none, &error), &error, raw),
	   "a clone over a changed image is refused, and the image named");
	release("a");
	ok(refused(disk_attach(store, "b", 0, raw, &disk, &error), &error, "was changed"),
	   "nor is it attached while a snapshot needs it");
	release("s");
	disks = attach("b", raw);
	ok(json_array_get_length(disks) == 1 && release("b"), "afterwards it is a new image");
}

/* Writes one block after the other until it is told to end, and then says what it wrote. */
static void writer(const char *disk, int stop, int said)
{
	struct nbd_handle *nbd = client(disk);
	char buf[4096], byte;
	unsigned n = 0;

	while (nbd && read(stop, &byte, 1) != 1) {
		memset(buf, 1 + n % 200, sizeof(buf));
		if (nbd_pwrite(nbd, buf, sizeof(buf), n % 64 * 65536, 0) < 0)
			break;
		n++;
	}
	if (write(said, &n, sizeof(n)) < 0)
		_exit(1);
	_exit(0);
}

struct writer {
	pid_t pid;
	int stop[2], said[2];
};

static void writer_begin(struct writer *w, const char *disk)
{
	if (!g_unix_open_pipe(w->stop, 0, NULL) || !g_unix_open_pipe(w->said, 0, NULL))
		exit(1);
	g_unix_set_fd_nonblocking(w->stop[0], TRUE, NULL);
	w->pid = fork();
	if (w->pid == 0)
		writer(disk, w->stop[0], w->said[1]);
}

static gboolean writer_end(struct writer *w, const char *disk)
{
	gboolean right = TRUE;
	unsigned n = 0;

	if (write(w->stop[1], "", 1) != 1 || read(w->said[0], &n, sizeof(n)) != sizeof(n))
		return FALSE;
	waitpid(w->pid, NULL, 0);
	for (unsigned i = n < 64 ? 0 : n - 64; i < n; i++)
		right = right && has(disk, 1 + i % 200, i % 64 * 65536, 4096);
	printf("# %u writes beside it\n", n);
	return right && n > 0;
}

static guint depth(const char *disk)
{
	g_autoptr(GPtrArray) chain = NULL;
	struct layers l;

	if (!layers_open(&l, store, NULL))
		return 0;
	chain = layers_chain(&l, layers_string(layers_get(&l, "disks", disk), "layer"));
	layers_close(&l);
	return chain->len;
}

static gboolean grown(JsonArray *disks, char prefix, guint n)
{
	gboolean good = TRUE;

	for (guint i = 0; i < n; i++) {
		g_autofree char *snap = g_strdup_printf("%c%u", prefix, i);

		good = good && put(id_of(disks, 0), 'A' + i, (8 + i) * MIB, MIB) &&
		       snapshot(disks, snap);
		if (i != 1)
			good = good && release(snap);
	}
	return good;
}

static gboolean grown_right(const char *disk, guint n)
{
	for (guint i = 0; i < n; i++)
		if (!has(disk, 'A' + i, (8 + i) * MIB, MIB))
			return FALSE;
	return TRUE;
}

static void test_chains(const char *raw)
{
	g_autoptr(JsonArray) disks = attach("a", raw), clones = NULL;
	GError *error = NULL;
	struct writer w;
	guint n;

	ok(grown(disks, 'g', 6), "a chain of eight layers, with a snapshot in the middle");
	clones = forked("g1", "c");
	n = depth(id_of(disks, 0));
	writer_begin(&w, id_of(disks, 0));
	ok(fine(disk_commit(store, "a", 0, NULL, &error), &error) &&
	   depth(id_of(disks, 0)) == n - 1, "commit takes a layer out of it");
	ok(writer_end(&w, id_of(disks, 0)) && grown_right(id_of(disks, 0), 6) &&
	   grown_right(id_of(clones, 0), 2) && has(id_of(clones, 0), 'b', 10 * MIB, MIB),
	   "beside a writer, and all data are right");
	for (guint i = 0; i < 4; i++)
		fine(disk_commit(store, "a", 0, NULL, &error), &error);
	ok(depth(id_of(disks, 0)) == n - 3 && grown_right(id_of(disks, 0), 6) &&
	   grown_right(id_of(clones, 0), 2) && has(id_of(clones, 0), 'b', 10 * MIB, MIB),
	   "but none that a snapshot needs");
	writer_begin(&w, id_of(clones, 0));
	ok(fine(disk_stream(store, "a", 0, NULL, &error), &error) &&
	   depth(id_of(disks, 0)) == 2, "stream leaves two layers");
	ok(writer_end(&w, id_of(clones, 0)) && grown_right(id_of(disks, 0), 6) &&
	   grown_right(id_of(clones, 0), 2), "beside a clone that writes, and all data are right");
	kill_daemon();
	ok(fine(disk_collect(store, &error), &error) && grown_right(id_of(disks, 0), 6) &&
	   grown_right(id_of(clones, 0), 2), "and after the daemon's death");
	ok(grown(disks, 'h', DISK_CHAIN) && fine(disk_trim(store, "a", NULL, &error), &error) &&
	   depth(id_of(disks, 0)) == 2, "a chain that got too long is trimmed");
	release("a");
	release("c");
	release("g1");
	release("h1");
	ok(files() == 0, "nothing is left");
}

static void test_record(void)
{
	g_autofree char *path = store_path(store, "images", "layers.json", NULL);
	const char *const bad[] = { "", "{", "[]", "{}", "{\"version\": 2}",
		"{\"version\": 1, \"layers\": 3, \"disks\": {}, \"snapshots\": {}, "
		"\"pending\": {}}",
		"{\"version\": 1, \"next\": 1, \"layers\": {}, \"disks\": {}, "
		"\"snapshots\": {}, \"pending\": {\"s\": {}}}" };
	GError *error = NULL;
	guint n = 0;

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_file_set_contents(path, bad[i], -1, NULL);
		n += refused(disk_collect(store, &error), &error, "layers.json");
	}
	ok(n == G_N_ELEMENTS(bad), "a record that makes no sense is an error");
	unlink(path);
}

int main(void)
{
	g_autofree char *raw = NULL;

	begin();
	raw = in_folder("base, \"1.raw");
	ok(file_filled(raw, 'b', 64 * MIB), "an image");
	test_attach(raw);
	test_formats(raw);
	test_snapshot(raw);
	test_abandon(raw);
	test_crashes(raw);
	test_changed_base(raw);
	file_filled(raw, 'b', 64 * MIB);
	test_chains(raw);
	test_record();
	return end();
}
