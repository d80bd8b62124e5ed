/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A real QEMU, under strace: it opens no image, be its disk by NBD or by vhost-user-blk. */
#include "disk-test.h"

/* It opens its disks before the monitor answers, and is told to quit then. */
static int qemu(const char *trace, const char *args)
{
	return run("printf '%%s\\n' '{\"execute\":\"qmp_capabilities\"}' '{\"execute\":\"quit\"}' | "
		   "timeout 60 strace -f -qq -o '%s' -e trace=open,openat,openat2,connect "
		   "qemu-system-x86_64 -M q35 -accel tcg -m 64M -nodefaults -display none "
		   "-qmp stdio %s >'%s.out' 2>&1", trace, args, trace);
}

/* How often a name occurs in what was traced */
static guint traced(const char *trace, const char *name)
{
	g_autofree char *text = NULL;
	guint n = 0;

	if (!g_file_get_contents(trace, &text, NULL, NULL))
		return 0;
	for (char *at = text; (at = strstr(at, name)); at++)
		n++;
	return n;
}

static gboolean opens_image(const char *trace)
{
	return traced(trace, ".raw\"") + traced(trace, "qcow2\"") > 0;
}

/* The test itself: a QEMU that opens its image is found out. */
static void test_control(const char *raw)
{
	g_autofree char *trace = in_folder("trace"), *copy = g_strconcat(raw, ".raw", NULL);
	g_autoptr(JsonObject) file = image_object("driver", "file", "node-name", "f", "filename",
						  copy, NULL);
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), file);
	g_autofree char *json = json_to_string(node, FALSE), *quoted = g_shell_quote(json);
	g_autofree char *args = g_strconcat("-blockdev ", quoted, NULL);

	ok(run("cp '%s' '%s'", raw, copy) == 0 && qemu(trace, args) == 0 && opens_image(trace),
	   "a QEMU that opens an image is found out");
}

static void test_nbd(const char *raw)
{
	g_autofree char *trace = in_folder("trace"), *arg = NULL, *quoted = NULL, *args = NULL;
	JsonObject *disk = NULL;
	GError *error = NULL;

	if (!ok(fine(disk_attach(store, "n", 0, raw, &disk, &error), &error), "a disk by NBD"))
		return;
	arg = disk_blockdev(store, disk);
	quoted = g_shell_quote(arg);
	args = g_strdup_printf("-blockdev %s -device virtio-blk-pci,drive=disk0", quoted);
	ok(qemu(trace, args) == 0, "QEMU starts on it and ends");
	ok(traced(trace, "nbd.sock") > 0, "it connects to the daemon");
	ok(!opens_image(trace) && traced(trace, "openat(") > 0, "and opens no image");
	ok(fine(disk_release(store, "n", &error), &error), "released");
}

static void test_vhost(const char *raw)
{
	g_autofree char *trace = in_folder("trace"), *arg = NULL, *quoted = NULL, *args = NULL;
	JsonObject *disk = NULL;
	GError *error = NULL;

	if (!ok(fine(disk_attach_vhost(store, "v", 0, raw, &disk, &error), &error),
		"a disk by vhost-user-blk"))
		return;
	arg = disk_chardev(store, disk);
	quoted = g_shell_quote(arg);
	ok(disk_blockdev(store, disk) == NULL, "which is no -blockdev");
	args = g_strdup_printf("-object memory-backend-memfd,id=ram,size=64M,share=on "
			       "-machine memory-backend=ram -chardev %s "
			       "-device vhost-user-blk-pci,config-wce=off,chardev=disk0", quoted);
	ok(qemu(trace, args) == 0, "QEMU starts on it and ends");
	ok(traced(trace, ".sock\"") > 0, "it connects to the daemon");
	ok(!opens_image(trace) && traced(trace, "openat(") > 0, "and opens no image");
	ok(fine(disk_release(store, "v", &error), &error), "released");
	json_object_unref(disk);
}

int main(void)
{
	g_autofree char *raw = NULL;

	if (run("strace -qq -o /dev/null true 2>/dev/null && "
		"qemu-system-x86_64 --version >/dev/null 2>&1") != 0) {
		printf("1..0 # SKIP there is no strace that works, or no qemu-system-x86_64\n");
		return 0;
	}
	begin();
	raw = in_folder("a.raw");
	run("truncate -s 64M '%s'", raw);
	test_control(raw);
	test_nbd(raw);
	test_vhost(raw);
	return end();
}
