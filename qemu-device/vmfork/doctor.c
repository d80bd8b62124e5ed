/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmfork doctor */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "copy.h"
#include "output.h"
#include "probe.h"
#include "store.h"
#include "view.h"

#define DOCTOR_SAMPLE (32 << 20)
#define DOCTOR_WP (UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

struct doctor {
	struct vmfork *v;
	JsonArray *rows;
	char *qemu;
	gboolean view;		/* all that a view needs has been found */
};

/* what: to do, in one line; NULL: nothing.  views: it is needed for them. */
static void doctor_tell(struct doctor *d, const char *check, gboolean ok, gboolean views,
			const char *found, const char *what)
{
	JsonObject *row = json_object_new();

	json_object_set_string_member(row, "check", check);
	json_object_set_boolean_member(row, "ok", ok);
	json_object_set_string_member(row, "found", found);
	if (ok || !what)
		json_object_set_null_member(row, "do");
	else
		json_object_set_string_member(row, "do", what);
	json_array_add_object_element(d->rows, row);
	if (views && !ok)
		d->view = FALSE;
}

/* --- the kernel ------------------------------------------------------------------------ */

/* By system call (root, or vm.unprivileged_userfaultfd), or by the device. */
static int doctor_open_uffd(const char **how)
{
	int device, fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	*how = "permitted by system call";
	if (fd >= 0)
		return fd;
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -1;
	fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	close(device);
	*how = "permitted by /dev/userfaultfd";
	return fd;
}

static void doctor_userfaultfd(struct doctor *d)
{
	struct uffdio_api api = { .api = UFFD_API };
	const char *how;
	int fd = doctor_open_uffd(&how);
	gboolean wp = fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 &&
		      (api.features & DOCTOR_WP) == DOCTOR_WP;

	doctor_tell(d, "userfaultfd", fd >= 0, TRUE, fd >= 0 ? how : g_strerror(errno),
		    "let the user open /dev/userfaultfd (a udev rule), or run vmfork as root");
	doctor_tell(d, "write protection of shared memory", wp, TRUE, wp ? "yes" : "no",
		    fd >= 0 ? "use Linux 5.19 or newer, with CONFIG_PTE_MARKER_UFFD_WP" :
		    "first make userfaultfd work");
	if (fd >= 0)
		close(fd);
}

static void doctor_fuse(struct doctor *d)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	g_autofree char *helper = g_find_program_in_path("fusermount3");

	doctor_tell(d, "/dev/fuse", fd >= 0, TRUE, fd >= 0 ? "can be opened" : g_strerror(errno),
		    errno == ENOENT ? "load the module fuse (modprobe fuse)" :
		    "let the user open /dev/fuse: its mode is 0666 normally");
	doctor_tell(d, "fusermount3", helper || geteuid() == 0, TRUE, helper ?: "not found",
		    "install the package fuse3");
	if (fd >= 0)
		close(fd);
}

static void doctor_memory(struct doctor *d)
{
	g_autofree char *text = NULL, *size = NULL;
	char *at;
	gint64 bytes = 0;

	if (g_file_get_contents("/proc/meminfo", &text, NULL, NULL) &&
	    (at = strstr(text, "MemAvailable:")))
		bytes = g_ascii_strtoll(at + strlen("MemAvailable:"), NULL, 10) * 1024;
	size = output_size(bytes);
	doctor_tell(d, "memory", bytes >= 512 << 20, FALSE, size,
		    "end something: machines here need more than 512 MiB that is free");
}

/* --- programs ---------------------------------------------------------------------------- */

static void doctor_program(struct doctor *d, const char *program, const char *package)
{
	g_autofree char *path = g_find_program_in_path(program);
	g_autofree char *what = g_strdup_printf("install the package %s: machines with disks "
						"need it", package);

	doctor_tell(d, program, path != NULL, FALSE, path ?: "not found", what);
}

static void doctor_server(struct doctor *d)
{
	g_autofree char *path = view_program(NULL);

	doctor_tell(d, "vmfork-view", path != NULL, TRUE, path ?: "not found",
		    "install it beside vmfork");
}

static void doctor_qemu_has(struct doctor *d)
{
	g_autofree char *vmgenid = probe_device(d->qemu, "vmgenid");
	gboolean counter = vmgenid && strstr(vmgenid, "generation=");
	gboolean open = probe_command(d->qemu, "ram-view-open");

	doctor_tell(d, "ram-view-open", open, TRUE, open ? "yes" : "no",
		    "use a QEMU with the series \"view\": without it a snapshot copies the memory "
		    "while the machine stands still");
	doctor_tell(d, "generation counter", counter, FALSE, counter ? "yes" : "no",
		    "use a QEMU with the series of the generation counter: without it guests "
		    "learn of a fork by the GUID only");
}

static void doctor_qemu(struct doctor *d, const char *program)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *version = NULL, *found = NULL;

	d->qemu = probe_program(program, &error);
	version = d->qemu ? probe_version(d->qemu, &error) : NULL;
	found = version ? g_strdup_printf("%s (%s)", version, d->qemu) : g_strdup("none");
	doctor_tell(d, "QEMU", version != NULL, TRUE, found, error ? error->message : NULL);
	if (version)
		doctor_qemu_has(d);
}

/* --- what it means ------------------------------------------------------------------------- */

static gint64 doctor_time_copy(int from, int to)
{
	g_autofree char *bytes = g_malloc(DOCTOR_SAMPLE);
	struct copy c = { .from = from, .to = to };
	gint64 began;

	memset(bytes, 1, DOCTOR_SAMPLE);
	if (write(from, bytes, DOCTOR_SAMPLE) != DOCTOR_SAMPLE)
		return -1;
	began = g_get_monotonic_time();
	if (!copy_file(&c, DOCTOR_SAMPLE, NULL))
		return -1;
	return (g_get_monotonic_time() - began) * ((1 << 30) / DOCTOR_SAMPLE);
}

/* Of a GiB of memory, in microseconds: tried with a piece of it. */
static gint64 doctor_cost(struct store *store)
{
	g_autofree char *path = store_path(store, "doctor.XXXXXX", NULL);
	int from = memfd_create("vmfork-doctor", MFD_CLOEXEC), to = g_mkstemp(path);
	gint64 cost = -1;

	if (to >= 0)
		unlink(path);
	if (from >= 0 && to >= 0)
		cost = doctor_time_copy(from, to);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return cost;
}

static void doctor_mode(struct doctor *d)
{
	JsonObject *result = d->v->result;
	gint64 cost = d->view ? 0 : doctor_cost(d->v->store);
	g_autofree char *time = output_time(cost);

	json_object_set_string_member(result, "how", d->view ? "view" : "copy");
	json_object_set_int_member(result, "pause-us-per-gib", cost);
	if (d->view)
		output_say(d->v, "\nA snapshot is a view: the machine stands still for some "
			   "milliseconds, whatever its memory.");
	else
		output_say(d->v, "\nA snapshot is a copy: the machine stands still for about %s "
			   "a GiB of memory that it uses.", time);
}

static void doctor_print(struct doctor *d)
{
	JsonObject *row;

	for (guint i = 0; i < json_array_get_length(d->rows); i++) {
		row = json_array_get_object_element(d->rows, i);
		output_say(d->v, "%s %s: %s", json_object_get_boolean_member(row, "ok") ? "ok " :
			   "NO ", json_object_get_string_member(row, "check"),
			   json_object_get_string_member(row, "found"));
		if (!json_object_get_null_member(row, "do"))
			output_say(d->v, "    %s", json_object_get_string_member(row, "do"));
	}
}

static void doctor_examine(struct doctor *d, const char *qemu)
{
	doctor_userfaultfd(d);
	doctor_fuse(d);
	doctor_server(d);
	doctor_qemu(d, qemu);
	doctor_program(d, "qemu-storage-daemon", "qemu-utils");
	doctor_program(d, "qemu-img", "qemu-utils");
	doctor_memory(d);
}

gboolean verb_doctor(struct vmfork *v, int argc, char **argv, char **rest, GError **error)
{
	struct doctor d = { .v = v, .view = TRUE };
	g_autofree char *qemu = NULL;
	const GOptionEntry entries[] = {
		{ "qemu", 0, 0, G_OPTION_ARG_STRING, &qemu, "QEMU [qemu-system-x86_64]",
		  "PROGRAM" },
		{ NULL }
	};

	(void)rest;
	if (!vmfork_parse(v, entries, &argc, &argv, 0, 0, error))
		return FALSE;
	d.rows = json_array_new();
	doctor_examine(&d, qemu);
	json_object_set_array_member(v->result, "checks", d.rows);
	doctor_print(&d);
	doctor_mode(&d);
	g_free(d.qemu);
	return TRUE;
}
