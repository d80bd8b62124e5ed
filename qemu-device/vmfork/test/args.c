/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* QEMU's command line; sizes; descriptions that are damaged. */
#include "args.h"
#include "meta.h"
#include "output.h"
#include "tap.h"

static JsonObject *parse(const char *text)
{
	g_autoptr(JsonNode) node = json_from_string(text, NULL);

	return node ? json_node_dup_object(node) : NULL;
}

static char *build(const char *record, const char *run, const char *disk)
{
	g_autoptr(JsonObject) r = parse(record), p = parse(run);
	g_autoptr(GPtrArray) blockdevs = g_ptr_array_new();
	g_auto(GStrv) args = NULL;

	if (disk)
		g_ptr_array_add(blockdevs, (char *)disk);
	args = args_build(r, p, "/dir", blockdevs);
	return g_strjoinv(" ", args);
}

#define RECORD(options) "{\"name\": \"m\", \"qemu\": \"/q\", \"memory\": 1048576, \"cpus\": 2, " \
	"\"devices\": [\"vmgenid\", \"vmcoreinfo\"], \"options\": [" options "]}"

static void test_build(void)
{
	g_autofree char *first = build(RECORD("\"-serial\", \"file:{dir}/{name}.log\""),
				       "{\"guid\": \"G\"}", NULL);
	g_autofree char *clone = build(RECORD("\"-device\", \"vmgenid,guid=auto,counter=on\""),
				       "{\"guid\": \"G\", \"generation-floor\": 7, "
				       "\"ram\": \"/a,b\", \"state\": \"/s\"}", NULL);
	g_autofree char *disk = build(RECORD(""), "{\"guid\": \"G\"}", "{NBD}");
	g_autofree char *own = build(RECORD("\"-device\", \"scsi-hd,drive=disk0\""),
				     "{\"guid\": \"G\"}", "{NBD}");
	g_autofree char *vhost = build(RECORD(""), "{\"guid\": \"G\"}", "socket,id=disk0");

	ok(strstr(first, "mem-path=/proc/self/fd/3,share=on") && strstr(first, "-m 1048576B") &&
	   strstr(first, "-smp 2") && !strstr(first, "-incoming"), "a machine with shared memory");
	ok(strstr(first, "-serial file:/dir/m.log"), "{dir} and {name}");
	ok(strstr(first, "-device vmgenid,guid=G") && strstr(first, "-device vmcoreinfo"),
	   "devices that every machine has");
	ok(strstr(clone, "mem-path=/a,,b,share=off,readonly=on,rom=off") &&
	   strstr(clone, "-incoming defer"), "a clone has private memory, and a comma is two");
	ok(strstr(clone, "vmgenid,counter=on,guid=G,generation=7") && !strstr(clone, "auto") &&
	   strstr(clone, "vmgenid") == strstr(clone, "vmgenid,counter"),
	   "the user's own vmgenid has the new GUID, and there is no other");
	ok(strstr(disk, "-blockdev {NBD} -device virtio-blk,drive=disk0"), "a disk");
	ok(strstr(own, "-blockdev {NBD}") && !strstr(own, "virtio-blk"),
	   "one that the user's device has");
	ok(strstr(vhost, "-chardev socket,id=disk0 -device vhost-user-blk-pci,config-wce=off,"
		  "num-queues=1,chardev=disk0"), "one by vhost-user, without a way to be less safe");
}

static void test_refused(void)
{
	static const struct {
		const char *option, *value;
		int status;
	} bad[] = {
		{ "-m", "1G", 2 }, { "--m", "1G", 2 }, { "-daemonize", NULL, 2 },
		{ "-incoming", "defer", 2 }, { "-loadvm", "x", 2 }, { "-hda", "x", 2 },
		{ "-drive", "file=x.img", 4 }, { "-blockdev", "driver=file,filename=x", 4 },
		{ "-object", "memory-backend-file,id=x,mem-path=/other/ram", 4 },
		{ "-object", "{\"qom-type\":\"memory-backend-memfd\"}", 4 },
		{ "-device", "{\"driver\": \"vmgenid\"}", 2 },
		{ "-machine", "q35,memory-backend=x", 4 }, { "-M", "memory-backend=x", 4 },
	};
	const char *fine[] = { "-drive", "if=pflash,readonly=on,file=x", "-S", "-object", "iothread,id=i",
			 "-blockdev", "driver=null-co,node-name=n", "-serial", "stdio", NULL };
	g_autoptr(GError) error = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		char *options[] = { (char *)bad[i].option, (char *)bad[i].value, NULL };

		ok(tap_refused(args_check(options, &error), &error, bad[i].status, bad[i].option),
		   bad[i].option);
	}
	ok(args_check((char **)fine, NULL) && args_check(NULL, NULL), "others are not");
}

static void test_sizes(void)
{
	static const char *const bad[] = { "", "x", "1X", "-1", "0", "1.5G", "9999999T", "1G ",
					   "99999999999999999999", " 1" };
	g_autofree char *shown = output_size(268435456);
	g_autoptr(GError) error = NULL;
	gint64 bytes;

	ok(output_parse_size("256M", &bytes, NULL) && bytes == 268435456 &&
	   output_parse_size("1GiB", &bytes, NULL) && bytes == 1 << 30 &&
	   output_parse_size("4096", &bytes, NULL) && bytes == 4096, "sizes");
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		ok(tap_refused(output_parse_size(bad[i], &bytes, &error), &error, 2, "no size"),
		   "no size");
	ok(strcmp(shown, "256 MiB") == 0, "shown");
}

#define META(version, memory, options, size) "{\"version\": " version ", \"disks\": [], " \
	"\"template\": {\"memory\": " memory ", \"cpus\": 1, \"qemu\": \"/q\", \"devices\": [], " \
	"\"options\": " options "}, \"ram\": {\"size\": " size ", \"blocks\": []}}"

static void test_meta(void)
{
	static const char *const bad[] = {
		"{\"version\": 1}", META("1", "\"x\"", "[]", "1"), META("1", "1", "[1]", "1"),
		META("1", "1", "{}", "1"), META("1", "1", "[]", "-4"), META("1", "1", "[]", "null"),
	};
	g_autoptr(JsonObject) good = parse(META("1", "1", "[\"-S\"]", "1"));
	g_autoptr(JsonObject) later = parse(META("2", "1", "[]", "1"));
	g_autoptr(GError) error = NULL;

	ok(meta_check(good, "meta", NULL), "a description");
	ok(tap_refused(meta_check(later, "meta", &error), &error, VMFORK_REFUSED, "version 2"),
	   "one of a later version");
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(JsonObject) meta = parse(bad[i]);

		ok(tap_refused(meta_check(meta, "meta", &error), &error, VMFORK_REFUSED,
			       "damaged"), "one that is damaged");
	}
}

int main(void)
{
	test_build();
	test_refused();
	test_sizes();
	test_meta();
	return tap_end();
}
