/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * At which instructions of a section does a snapshot still duplicate an output?
 *
 * The guest is stopped at the beginning of the section and saved.  From there the way
 * through the section is walked once, and then again: before every instruction, the
 * parent is saved and three clones of it run on.  Two have GUIDs of their own; a third
 * one, the control, has the parent's, so that its generation is the parent's, too.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"
#include "symbols.h"

/* QEMU raises general purpose event 5. */
#define EVENT	"/sys/firmware/acpi/interrupts/gpe05"

enum { AS_EXPECTED = 0, NOT_AS_EXPECTED = 1, WRONG_USAGE = 2, TIME_IS_OVER = 3 };

struct options {
	struct machine machine;
	const char *program_symbols, *kernel_symbols, *folder, *command;
	size_t stride;
	double limit, began;
	bool json;
};

static const char usage[] =
	"Usage: snapshot-points [OPTION]... SECTION\n"
	"       snapshot-points --list\n"
	"\n"
	"Clone a guest at every instruction of a section, compare what the clones hand out,\n"
	"and check that it is equal exactly where it must be.\n"
	"\n"
	"  --qemu FILE             QEMU with our vmgenid device\n"
	"  --kernel FILE           bzImage\n"
	"  --initramfs FILE        of selftests/harness/initramfs, with the section's program\n"
	"  --command COMMAND       what runs the program in the guest\n"
	"  --program-symbols FILE  what nm prints of it\n"
	"  --kernel-symbols FILE   System.map\n"
	"  --folder DIR            where the results are; a run that was interrupted goes on\n"
	"  --stride N              only every Nth point, and those near the ends of a range [1]\n"
	"  --limit SECONDS         end then; run again to go on [0: no limit]\n"
	"  --json                  print JSON\n"
	"  --list                  print the names of the sections\n"
	"\n"
	"Exit status: 0 as expected; 1 not so, or it could not be found out; 2 wrong usage;\n"
	"             3 the time was over\n";

static __attribute__((noreturn)) void wrong_usage(const char *what)
{
	say("%s (see --help)", what);
	exit(WRONG_USAGE);
}

static void information(const char *option)
{
	if (!strcmp(option, "help"))
		fputs(usage, stdout);
	else
		section_list();
	exit(AS_EXPECTED);
}

static void need_all(const struct options *o)
{
	const struct machine *m = &o->machine;

	if (!m->qemu || !m->kernel || !m->initramfs || !o->command || !o->program_symbols ||
	    !o->kernel_symbols || !o->folder)
		wrong_usage("an option is missing");
	if (!o->stride || o->limit < 0)
		wrong_usage("the stride is 1 or more, the limit 0 or more");
}

static const struct section *parse(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{ "qemu", 1, NULL, 'q' }, { "kernel", 1, NULL, 'k' }, { "initramfs", 1, NULL, 'i' },
		{ "command", 1, NULL, 'c' }, { "program-symbols", 1, NULL, 'p' },
		{ "kernel-symbols", 1, NULL, 'y' }, { "folder", 1, NULL, 'f' },
		{ "stride", 1, NULL, 's' }, { "limit", 1, NULL, 'l' }, { "json", 0, NULL, 'j' },
		{ "list", 0, NULL, 0 }, { "help", 0, NULL, 0 }, { NULL, 0, NULL, 0 },
	};
	int c, index;

	while ((c = getopt_long(argc, argv, "", known, &index)) != -1)
		switch (c) {
		case 0: information(known[index].name); break;
		case 'q': o->machine.qemu = optarg; break;
		case 'k': o->machine.kernel = optarg; break;
		case 'i': o->machine.initramfs = optarg; break;
		case 'c': o->command = optarg; break;
		case 'p': o->program_symbols = optarg; break;
		case 'y': o->kernel_symbols = optarg; break;
		case 'f': o->machine.scratch = o->folder = optarg; break;
		case 's': o->stride = strtoul(optarg, NULL, 10); break;
		case 'l': o->limit = strtod(optarg, NULL); break;
		case 'j': o->json = true; break;
		default: wrong_usage("unknown option");
		}
	need_all(o);
	if (optind + 1 != argc)
		wrong_usage("one section is to be named");
	return section_find(argv[optind]);
}

/* --- The three stages, each with a VM of its own ------------------------------------ */

static void publish(char *part, const char *file)
{
	if (rename(part, file))
		die("%s: %s", file, strerror(errno));
	free(part);
}

/* What runs the section in the guest. */
static char *guest_command(const struct section *s, const char *program)
{
	if (s->notified)
		return text("%s", program);
	return text("echo mask > " EVENT " && grep -qw masked " EVENT " && exec %s", program);
}

static void boot(const struct options *o, const struct section *s, const char *state,
		 const char *memory)
{
	char *part = text("%s.part", state), *command = guest_command(s, o->command);
	struct vm vm;

	vm_boot(&vm, &o->machine, command, symbols_address("section_begin"));
	qmp_save(&vm.qmp, part);
	vm_memory_save(o->machine.memory, memory);
	publish(part, state);
	free(command);
	vm_end(&vm);
}

static void walk(const struct options *o, const char *state, const char *memory, const char *file,
		 struct path *path)
{
	char *part = text("%s.part", file);
	struct vm vm;

	vm_memory_load(o->machine.memory, memory);
	vm_resume(&vm, &o->machine, state);
	path_walk(path, &vm, symbols_address("section_end"),
		  gdb_read_word(&vm.gdb, symbols_address("section_live")));
	path_write(path, part);
	publish(part, file);
	vm_end(&vm);
}

static bool try(const struct options *o, const char *state, const char *memory,
		const struct plan *plan, struct points *points)
{
	char *file = text("%s/points", o->folder);
	struct vm vm;
	bool all;

	vm_memory_load(o->machine.memory, memory);
	vm_resume(&vm, &o->machine, state);
	all = points_try(points, plan, &vm, file);
	vm_end(&vm);
	free(file);
	return all;
}

static bool run(const struct options *o, const struct section *s, struct path *path,
		struct points *points)
{
	struct plan plan = { s, path, o->stride, o->limit ? o->began + o->limit : 0 };
	char *state = text("%s/start.state", o->folder);
	char *memory = text("%s/start.memory", o->folder);
	char *file = text("%s/path", o->folder);

	if (access(file, R_OK) && plan_is_over(&plan))
		return false;
	if (access(state, R_OK))
		boot(o, s, state, memory);
	if (!path_read(path, file))
		walk(o, state, memory, file, path);
	return try(o, state, memory, &plan, points);
}

int main(int argc, char **argv)
{
	struct options o = { .stride = 1, .began = now() };
	const struct section *s = parse(&o, argc, argv);
	struct points points = { NULL, 0 };
	struct path path = { NULL, 0, "" };
	struct verdict v;

	signal(SIGPIPE, SIG_IGN);
	if (mkdir(o.folder, 0755) && errno != EEXIST)
		die("%s: %s", o.folder, strerror(errno));
	symbols_read(o.program_symbols);
	symbols_read(o.kernel_symbols);
	o.machine.counter = s->counter;
	o.machine.memory = vm_memory_new();
	if (!run(&o, s, &path, &points)) {
		say("%s: the time is over; run this again to go on", s->name);
		return TIME_IS_OVER;
	}
	verdict_reach(&v, s, &path, &points);
	(o.json ? report_json : report_text)(s, &path, &points, &v);
	return v.complaint_count ? NOT_AS_EXPECTED : AS_EXPECTED;
}
