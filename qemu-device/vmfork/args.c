/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <string.h>
#include "args.h"

static const struct {
	const char *option, *why;
} refused[] = {
	{ "-m", "use --memory" },
	{ "-smp", "use --cpus" },
	{ "-mem-path", "vmfork makes the machine's memory itself: use --memory" },
	{ "-mem-prealloc", "untouched memory costs nothing: leave it out" },
	{ "-daemonize", "vmfork does that itself" },
	{ "-pidfile", "vmfork status has the process's number" },
	{ "-incoming", "vmfork fork, rollback and load do that" },
	{ "-loadvm", "vmfork rollback does that" },
	{ "-snapshot", "give the image as --disk, and use vmfork snapshot" },
	{ "-hda", "give the image as --disk" },
	{ "-hdb", "give the image as --disk" },
	{ "-hdc", "give the image as --disk" },
	{ "-hdd", "give the image as --disk" },
	{ "-sd", "give the image as --disk" },
	{ "-mtdblock", "give the image as --disk" },
	{ "-pflash", "use -drive if=pflash,readonly=on,...: a clone would share it" },
};

/* "-option" and "--option" are the same to QEMU. */
static const char *args_plain(const char *option)
{
	return g_str_has_prefix(option, "--") ? option + 1 : option;
}

static gboolean args_is(const char *option, const char *name)
{
	return strcmp(args_plain(option), name) == 0;
}

static gboolean args_single(const char *option, GError **error)
{
	for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
		if (args_is(option, refused[i].option))
			return vmfork_fail(error, VMFORK_USAGE, "QEMU's option %s is not for "
					   "machines of vmfork: %s", option, refused[i].why);
	return TRUE;
}

static gboolean args_has(const char *value, const char *part)
{
	return value && strstr(value, part) != NULL;
}

/* Nothing to read only, nothing in a file: two machines cannot harm each other by it. */
static gboolean args_harmless(const char *value)
{
	return args_has(value, "readonly=on") || args_has(value, "read-only=on") ||
	       args_has(value, "\"read-only\": true") || args_has(value, "\"read-only\":true") ||
	       args_has(value, "media=cdrom") || args_has(value, "null-co") ||
	       args_has(value, "null-aio");
}

static gboolean args_pair(const char *option, const char *value, GError **error)
{
	if ((args_is(option, "-drive") || args_is(option, "-blockdev")) && !args_harmless(value))
		return vmfork_fail(error, VMFORK_REFUSED, "\"%s %s\" opens an image for writing "
				   "that a clone would share: give it as --disk, or read-only",
				   option, value ?: "");
	if (args_is(option, "-object") && args_has(value, "memory-backend-"))
		return vmfork_fail(error, VMFORK_REFUSED, "\"%s %s\" is memory of your own: "
				   "vmfork could not freeze it, and if it is another machine's, "
				   "that one would change it under this one; use --memory",
				   option, value);
	if (args_is(option, "-device") && args_has(value, "\"vmgenid\""))
		return vmfork_fail(error, VMFORK_USAGE, "\"-device %s\": write it as -device "
				   "vmgenid,...: each clone gets another GUID", value);
	if ((args_is(option, "-machine") || args_is(option, "-M")) &&
	    args_has(value, "memory-backend="))
		return vmfork_fail(error, VMFORK_REFUSED, "\"%s %s\": vmfork makes the "
				   "machine's memory itself; use --memory", option, value);
	return TRUE;
}

gboolean args_check(char **options, GError **error)
{
	for (; options && *options; options++)
		if (!args_single(*options, error) ||
		    !args_pair(*options, options[1], error))
			return FALSE;
	return TRUE;
}

gboolean args_paused(JsonArray *options)
{
	for (guint i = 0; i < json_array_get_length(options); i++)
		if (args_is(json_array_get_string_element(options, i), "-S"))
			return TRUE;
	return FALSE;
}

/* --- building ----------------------------------------------------------------- */

static G_GNUC_PRINTF(2, 3) void args_add(GPtrArray *args, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	g_ptr_array_add(args, g_strdup_vprintf(format, values));
	va_end(values);
}

/* A comma ends a value, two are one. */
static char *args_quote(const char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, ",", -1);

	return g_strjoinv(",,", parts);
}

static char *args_replace(const char *text, const char *what, const char *by)
{
	g_auto(GStrv) parts = g_strsplit(text, what, -1);

	return g_strjoinv(by, parts);
}

static char *args_fill(const char *text, const char *dir, const char *name)
{
	g_autofree char *half = args_replace(text, "{dir}", dir);

	return args_replace(half, "{name}", name);
}

static void args_memory(GPtrArray *args, JsonObject *record, JsonObject *run)
{
	const char *ram = json_object_get_string_member_with_default(run, "ram", NULL);
	gint64 size = json_object_get_int_member(record, "memory");
	g_autofree char *path = ram ? args_quote(ram) : NULL;

	args_add(args, "-object");
	if (ram)
		args_add(args, "memory-backend-file,id=ram,size=%" G_GINT64_FORMAT
			 ",mem-path=%s,share=off,readonly=on,rom=off", size, path);
	else
		args_add(args, "memory-backend-file,id=ram,size=%" G_GINT64_FORMAT
			 ",mem-path=/proc/self/fd/%d,share=on", size, ARGS_MEMORY);
	args_add(args, "-machine");
	args_add(args, "memory-backend=ram");
	args_add(args, "-m");
	args_add(args, "%" G_GINT64_FORMAT "B", size);
}

static void args_monitor(GPtrArray *args, const char *id, int fd)
{
	args_add(args, "-chardev");
	args_add(args, "socket,id=%s,fd=%d,server=on,wait=off", id, fd);
	args_add(args, "-mon");
	args_add(args, "chardev=%s,mode=control", id);
}

/* "guid=X" and "generation=N" of this process in place of those that it had. */
static char *args_vmgenid(const char *value, JsonObject *run)
{
	g_auto(GStrv) parts = g_strsplit(value, ",", -1);
	GString *text = g_string_new(parts[0]);
	gint64 floor = json_object_get_int_member_with_default(run, "generation-floor", 0);

	for (char **part = parts + 1; *part; part++)
		if (!g_str_has_prefix(*part, "guid=") && !g_str_has_prefix(*part, "generation="))
			g_string_append_printf(text, ",%s", *part);
	g_string_append_printf(text, ",guid=%s", json_object_get_string_member(run, "guid"));
	if (floor > 0)
		g_string_append_printf(text, ",generation=%" G_GINT64_FORMAT, floor);
	return g_string_free(text, FALSE);
}

static gboolean args_is_device(const char *value, const char *device)
{
	size_t size = strlen(device);

	return strncmp(value, device, size) == 0 && (value[size] == ',' || value[size] == '\0');
}

static gboolean args_has_device(JsonArray *options, const char *device)
{
	for (guint i = 1; i < json_array_get_length(options); i++)
		if (args_is(json_array_get_string_element(options, i - 1), "-device") &&
		    args_is_device(json_array_get_string_element(options, i), device))
			return TRUE;
	return FALSE;
}

/* What the machine has beside what the user wants; devices lists what QEMU knows. */
static void args_devices(GPtrArray *args, JsonObject *record, JsonObject *run)
{
	JsonArray *devices = json_object_get_array_member(record, "devices");
	JsonArray *options = json_object_get_array_member(record, "options");
	const char *device;

	for (guint i = 0; i < json_array_get_length(devices); i++) {
		device = json_array_get_string_element(devices, i);
		if (args_has_device(options, device))
			continue;
		args_add(args, "-device");
		if (args_is_device(device, "vmgenid"))
			g_ptr_array_add(args, args_vmgenid(device, run));
		else
			args_add(args, "%s", device);
	}
}

static gboolean args_uses(JsonArray *options, const char *drive)
{
	const char *value, *at;

	for (guint i = 0; i < json_array_get_length(options); i++) {
		value = json_array_get_string_element(options, i);
		for (at = strstr(value, drive); at; at = strstr(at + 1, drive))
			if (!g_ascii_isalnum(at[strlen(drive)]))
				return TRUE;
	}
	return FALSE;
}

/* how: of disk_blockdev(), which is JSON, or of disk_chardev().  The default device does not
 * let a guest turn the daemon's writethrough off, and has as many queues as the daemon. */
static void args_disk(GPtrArray *args, JsonArray *options, guint i, const char *how)
{
	gboolean block = how[0] == '{';
	g_autofree char *use = g_strdup_printf("%s=disk%u", block ? "drive" : "chardev", i);

	args_add(args, block ? "-blockdev" : "-chardev");
	args_add(args, "%s", how);
	if (args_uses(options, use))
		return;
	args_add(args, "-device");
	args_add(args, "%s,%s,id=virtio-disk%u", block ? "virtio-blk" :
		 "vhost-user-blk-pci,config-wce=off,num-queues=1", use, i);
}

static void args_disks(GPtrArray *args, JsonArray *options, GPtrArray *disks)
{
	for (guint i = 0; disks && i < disks->len; i++)
		args_disk(args, options, i, disks->pdata[i]);
}

static void args_options(GPtrArray *args, JsonObject *record, JsonObject *run, const char *dir)
{
	JsonArray *options = json_object_get_array_member(record, "options");
	const char *name = json_object_get_string_member(record, "name"), *option;
	gboolean device = FALSE;

	for (guint i = 0; i < json_array_get_length(options); i++) {
		g_autofree char *filled = NULL;

		option = json_array_get_string_element(options, i);
		filled = args_fill(option, dir, name);
		if (device && args_is_device(filled, "vmgenid"))
			g_ptr_array_add(args, args_vmgenid(filled, run));
		else
			g_ptr_array_add(args, g_steal_pointer(&filled));
		device = args_is(option, "-device");
	}
}

static void args_first(GPtrArray *args, JsonObject *record)
{
	args_add(args, "%s", json_object_get_string_member(record, "qemu"));
	args_add(args, "-name");
	args_add(args, "%s", json_object_get_string_member(record, "name"));
	args_add(args, "-display");
	args_add(args, "none");
	args_add(args, "-smp");
	args_add(args, "%" G_GINT64_FORMAT, json_object_get_int_member(record, "cpus"));
}

GStrv args_build(JsonObject *record, JsonObject *run, const char *dir, GPtrArray *disks)
{
	GPtrArray *args = g_ptr_array_new();

	args_first(args, record);
	args_memory(args, record, run);
	args_monitor(args, "vmfork-qmp", ARGS_QMP);
	args_monitor(args, "vmfork-view", ARGS_VIEW);
	args_devices(args, record, run);
	args_disks(args, json_object_get_array_member(record, "options"), disks);
	args_options(args, record, run, dir);
	args_add(args, "-S");
	if (json_object_has_member(run, "state")) {
		args_add(args, "-incoming");
		args_add(args, "defer");
	}
	g_ptr_array_add(args, NULL);
	return (GStrv)g_ptr_array_free(args, FALSE);
}
