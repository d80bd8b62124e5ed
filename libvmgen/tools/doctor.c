/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmgen doctor: what protects this machine, what does not, and what to do. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "info.h"
#include "machine.h"
#include "openssl.h"
#include "processes.h"
#include "report.h"

static const char help[] =
	"Usage: vmgen doctor [--json]\n"
	"\n"
	"Tell what protects this machine when it is restored from a snapshot, reverted or\n"
	"cloned, what does not, and what to do.  As root, it sees all processes.\n"
	"\n"
	"  -j, --json   one JSON object\n"
	"  -h, --help   this text\n"
	"\n"
	"What could not be looked at is said, and changes no exit status.\n"
	"\n"
	"Exit status: 0 nothing to do; 1 something is unprotected; 2 wrong usage\n";

static const struct option options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

/* What all checks need to know. */
struct patient {
	struct report report;
	struct look look;
	bool exposed;		/* there are snapshots that could be restored */
	enum hearing vmgenid;	/* its driver is at work */
	const char *denied;	/* the first device that this user may not open, or NULL */
};

/* A problem, unless nobody can take a snapshot of this machine. */
static enum verdict problem(const struct patient *p)
{
	return p->exposed ? VERDICT_PROBLEM : VERDICT_NOTE;
}

static const char *advice_if_absent(void)
{
	if (counter_is_hidden())
		return "the kernel has /dev/vmgenctr, and this /dev does not: in a container, pass it on, readable";
	if (machine_has_vmgenid())
		return "the machine has a VM Generation ID: boot a kernel with CONFIG_VMGENCTR, and let the hypervisor add a counter (QEMU: -device vmgenid,guid=auto,counter=on)";
	return "have the hypervisor offer a VM Generation ID with a counter (QEMU: -device vmgenid,guid=auto,counter=on), and boot a kernel with CONFIG_VMGENCTR";
}

static const char advice_if_denied[] =
	"install 70-vmgen.rules and run \"udevadm trigger --subsystem-match=misc\", or allow reading the device where a container or a sandbox is set up";

static const char *advice_for_counter(const struct patient *p)
{
	if (p->denied)
		return advice_if_denied;
	switch (p->look.status) {
	case VMGEN_DENIED:
		return advice_if_denied;
	case VMGEN_NOTIFY_ONLY:
	case VMGEN_ABSENT:
		return advice_if_absent();
	default:
		return "see what the kernel's log has on vmgenctr, and report it to those who provide the hypervisor";
	}
}

static void check_counter(struct patient *p)
{
	const struct look *l = &p->look;
	const char *node = backend_node(l->info.backend);

	if (l->status == VMGEN_ACTIVE)
		report(&p->report, VERDICT_OK, "counter", NULL, "%s, generation %" PRIu64,
		       node ? node : backend_name(l->info.backend), l->info.generation);
	else if (!p->exposed)
		report(&p->report, VERDICT_NOTE, "counter", NULL,
		       "none, and nothing shows that this is a virtual machine");
	else
		report(&p->report, VERDICT_PROBLEM, "counter",
		       advice_for_counter(p), "%s: %s (%s%s%s%s)",
		       status_name(l->status), status_meaning(l->status),
		       strerror(-l->error), p->denied ? "; there is " : "",
		       p->denied ? p->denied : "", denied_text(p->denied));
}

/* Root opens everything, and does not notice. */
static void check_permission(struct patient *p)
{
	const char *node = backend_node(p->look.info.backend);
	struct stat st;

	if (p->look.status != VMGEN_ACTIVE || !node)
		return;
	if (stat(node, &st) < 0)
		report(&p->report, VERDICT_UNKNOWN, "permission", NULL,
		       "whether everyone may read %s is not known: %s", node, strerror(errno));
	else if (st.st_mode & S_IROTH)
		report(&p->report, VERDICT_OK, "permission", NULL,
		       "everyone may read %s", node);
	else
		report(&p->report, VERDICT_PROBLEM, "permission",
		       advice_if_denied,
		       "not everyone may read %s (mode %04o)", node,
		       (unsigned int)st.st_mode & 07777);
}

static const char *advice_for_mode(const struct patient *p)
{
	if (p->look.info.backend == VMGEN_BACKEND_VMGENCTR)
		return "have the hypervisor offer a counter (QEMU: -device vmgenid,guid=auto,counter=on)";
	return advice_if_absent();
}

static void check_mode(struct patient *p)
{
	if (p->look.status != VMGEN_ACTIVE)
		return;
	if (p->look.info.flags & VMGEN_INFO_HYPERVISOR)
		report(&p->report, VERDICT_OK, "mode", NULL, "written by %s",
		       writer(&p->look.info));
	else
		report(&p->report, VERDICT_PROBLEM, "mode", advice_for_mode(p),
		       "written by %s: vmgen_changed() may be late",
		       writer(&p->look.info));
}

static void check_readiness(struct patient *p)
{
	if (p->look.status != VMGEN_ACTIVE)
		return;
	if (p->look.info.flags & VMGEN_INFO_CRNG_RESEEDED)
		report(&p->report, VERDICT_OK, "readiness", NULL,
		       "the kernel says when its random numbers are reseeded");
	else if (p->look.info.backend == VMGEN_BACKEND_VMGENCTR)
		report(&p->report, VERDICT_PROBLEM, "readiness",
		       "provide entropy (QEMU: -device virtio-rng-pci), and look again when getrandom() returns",
		       "the kernel's random numbers were not ready to be reseeded for this generation");
	else
		report(&p->report, VERDICT_PROBLEM, "readiness",
		       "boot a kernel with CONFIG_VMGENCTR; vmgen_getrandom() refuses until then",
		       "%s cannot tell when the kernel's random numbers are reseeded",
		       backend_name(p->look.info.backend));
}

static void check_reseeding(struct patient *p)
{
	if (p->vmgenid == HEARING_YES || !p->exposed)
		report(&p->report, VERDICT_OK, "getrandom", NULL, "ready%s",
		       p->vmgenid == HEARING_YES ? ", and reseeded after a restore" : "");
	else if (p->vmgenid == HEARING_UNKNOWN)
		report(&p->report, VERDICT_UNKNOWN, "getrandom", "mount /sys",
		       "ready; whether the kernel is told of a restore is not known");
	else
		report(&p->report, VERDICT_PROBLEM, "getrandom",
		       machine_has_vmgenid() ? "load the driver: modprobe vmgenid" :
		       "have the hypervisor offer a VM Generation ID (QEMU: -device vmgenid,guid=auto)",
		       "ready, but the kernel is not told of a restore and does not reseed");
}

static void check_kernel(struct patient *p)
{
	int r = kernel_random_state();

	if (r == 0)
		check_reseeding(p);
	else if (r == -EAGAIN)
		report(&p->report, VERDICT_PROBLEM, "getrandom",
		       "provide entropy (QEMU: -device virtio-rng-pci)",
		       "getrandom() is not ready");
	else
		report(&p->report, VERDICT_PROBLEM, "getrandom",
		       "allow getrandom() where a container or a sandbox is set up",
		       "getrandom() fails: %s", strerror(-r));
}

static void check_fork(struct patient *p)
{
	static const char advice[] =
		"run on a kernel with MADV_WIPEONFORK (Linux 4.14), not under an emulator of system calls";
	enum fork_seen seen = try_fork();

	/* The library does not promise what it only happens to see. */
	if (seen == FORK_SEEN && p->look.status == VMGEN_ACTIVE &&
	    !(p->look.info.flags & VMGEN_INFO_FORK))
		seen = FORK_OF_LIBC_ONLY;
	if (seen == FORK_SEEN)
		report(&p->report, VERDICT_OK, "fork", NULL,
		       "a child of fork() is told apart");
	else if (seen == FORK_OF_LIBC_ONLY)
		report(&p->report, VERDICT_PROBLEM, "fork", advice,
		       "a child of fork() is told apart, and one that a system call makes is not always");
	else if (seen == FORK_MISSED)
		report(&p->report, VERDICT_PROBLEM, "fork", advice,
		       "a child of fork() goes on in the epoch of its parent");
	else
		report(&p->report, VERDICT_UNKNOWN, "fork", NULL,
		       "whether a child of fork() is told apart could not be tried");
}

static void show_process(struct report *r, const struct process *process)
{
	unsigned int i;

	if (!r->json)
		printf("%-20s %ld %s:", "", (long)process->pid, process->command);
	if (r->json) {
		json_begin(&r->j, NULL, '{');
		json_number(&r->j, "pid", process->pid);
		json_string(&r->j, "command", process->command);
		json_begin(&r->j, "has", '[');
	}
	for (i = 0; risk_name(i); i++) {
		if (!(process->risks & (1u << i)))
			continue;
		if (r->json)
			json_string(&r->j, NULL, risk_name(i));
		else
			printf(" %s", risk_name(i));
	}
	if (r->json) {
		json_end(&r->j, ']');
		json_end(&r->j, '}');
	} else {
		putchar('\n');
	}
}

/* A guard needs a counter.  A program that starts again need only be told. */
static const char *advice_for_processes(const struct patient *p)
{
	switch (p->look.status) {
	case VMGEN_ACTIVE:
		return "guard what they draw with libvmgen, or have them start again on each change (vmgen exec)";
	case VMGEN_NOTIFY_ONLY:
		return "have them start again on each change (vmgen exec)";
	default:
		return "see to the counter first: without one, nothing tells them of a restore";
	}
}

static bool all_seen(const struct processes *all)
{
	return !all->unreadable && !all->hidden;
}

static void show_unseen(struct patient *p, const struct processes *all)
{
	const char *advice = geteuid() ? "run this as root" : NULL;

	if (all->unreadable)
		report(&p->report, VERDICT_UNKNOWN, "unseen", advice,
		       "processes that could not be looked at: %zu", all->unreadable);
	if (all->hidden)
		report(&p->report, VERDICT_UNKNOWN, "unseen", advice,
		       "/proc does not list the processes of others (hidepid)");
}

static void show_processes(struct patient *p, const struct processes *all)
{
	enum verdict unguarded = all_seen(all) ? VERDICT_OK : VERDICT_UNKNOWN;
	struct report *r = &p->report;
	size_t i;

	if (all->count)
		unguarded = problem(p);
	finding_begin(r, unguarded, "processes",
		      all->count ? advice_for_processes(p) : NULL,
		      "%zu of %zu%s have mapped a library or an interpreter with random numbers of its own, and no libvmgen",
		      all->count, all->examined,
		      all_seen(all) ? "" : " that could be looked at");
	if (r->json)
		json_begin(&r->j, "processes", '[');
	for (i = 0; i < all->count; i++)
		show_process(r, &all->at_risk[i]);
	if (r->json)
		json_end(&r->j, ']');
	finding_end(r);
	show_unseen(p, all);
}

static void check_processes(struct patient *p)
{
	struct processes all;
	int r = find_processes(&all);

	if (r < 0) {
		report(&p->report, VERDICT_UNKNOWN, "processes", "mount /proc",
		       "they cannot be looked at: %s", strerror(-r));
		return;
	}
	show_processes(p, &all);
	free_processes(&all);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct patient p = { .report = { .json = false } };
	int option;

	while ((option = next_option(self, argc, argv, "jh", options)) != -1)
		p.report.json |= option == 'j';
	no_more_arguments(self, argc, argv);
	look(&p.look);
	p.denied = denied_device();
	p.vmgenid = kernel_hears_of_restores();
	if (p.look.status == VMGEN_ACTIVE && p.look.info.backend == VMGEN_BACKEND_VMGENCTR)
		p.vmgenid = HEARING_YES;
	p.exposed = p.look.status != VMGEN_ABSENT || p.denied || machine_is_virtual();
	report_begin(&p.report);
	check_counter(&p);
	check_permission(&p);
	check_mode(&p);
	check_readiness(&p);
	check_kernel(&p);
	check_fork(&p);
	check_openssl(&p.report, problem(&p), p.look.status == VMGEN_ACTIVE);
	check_processes(&p);
	report_end(&p.report);
	flush(self);
	return p.report.problems ? EXIT_FAILED : 0;
}

const struct command command_doctor = {
	"doctor", "tell what protects this machine, what does not, and what to do", help, run,
};
