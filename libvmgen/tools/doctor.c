/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* vmgen doctor: what protects this machine, what does not, and what to do. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "info.h"
#include "machine.h"
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
	bool vmgenid;		/* its driver is at work */
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

static const char *advice_for_counter(enum vmgen_status status)
{
	if (counter_is_denied())
		return advice_if_denied;
	switch (status) {
	case VMGEN_DENIED:
		return advice_if_denied;
	case VMGEN_NOTIFY_ONLY:
	case VMGEN_ABSENT:
		return advice_if_absent();
	default:
		return "see what the kernel's log has on vmgenctr, and report it to whoever provides the hypervisor";
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
		       "none, and this is no virtual machine");
	else
		report(&p->report, VERDICT_PROBLEM, "counter",
		       advice_for_counter(l->status), "%s: %s (%s%s)",
		       status_name(l->status), status_meaning(l->status),
		       strerror(-l->error),
		       counter_is_denied() ? "; there is one that this user may not open" : "");
}

/* Root opens everything, and does not notice. */
static void check_permission(struct patient *p)
{
	const char *node = backend_node(p->look.info.backend);
	struct stat st;

	if (p->look.status != VMGEN_ACTIVE || !node || stat(node, &st) < 0)
		return;
	if (st.st_mode & S_IROTH)
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

static void check_kernel(struct patient *p)
{
	enum random_state state = kernel_random_state();

	if (state != RANDOM_READY)
		report(&p->report, VERDICT_PROBLEM, "getrandom",
		       "provide entropy (QEMU: -device virtio-rng-pci)",
		       state == RANDOM_NOT_YET ? "getrandom() is not ready" :
		       "getrandom() fails");
	else if (p->vmgenid || !p->exposed)
		report(&p->report, VERDICT_OK, "getrandom", NULL,
		       "ready%s", p->vmgenid ? ", and reseeded after a restore" : "");
	else
		report(&p->report, problem(p), "getrandom",
		       machine_has_vmgenid() ? "load the driver: modprobe vmgenid" :
		       "have the hypervisor offer a VM Generation ID (QEMU: -device vmgenid,guid=auto)",
		       "ready, but the kernel is not told of a restore and does not reseed");
}

static void check_fork(struct patient *p)
{
	bool detected = p->look.status == VMGEN_ACTIVE ?
			p->look.info.flags & VMGEN_INFO_FORK : kernel_wipes_on_fork();

	if (detected)
		report(&p->report, VERDICT_OK, "fork", NULL,
		       "a child of fork() is told apart");
	else
		report(&p->report, VERDICT_PROBLEM, "fork",
		       "run on a kernel with MADV_WIPEONFORK (Linux 4.14), not under an emulator of system calls",
		       "a child of fork() goes on in the epoch of its parent");
}

enum openssl { OPENSSL_GUARDED, OPENSSL_UNGUARDED, OPENSSL_UNUSABLE, OPENSSL_UNKNOWN };

/* It knows best which generators its configuration leads to. */
static enum openssl ask_openssl(void)
{
	FILE *f = popen("exec openssl list -random-instances 2> /dev/null", "re");
	unsigned int guarded = 0, others = 0;
	char line[256];
	const char *at;
	int status;

	if (!f)
		return OPENSSL_UNKNOWN;
	while (fgets(line, sizeof(line), f)) {
		at = strstr(line, " @ ");
		guarded += at && strncmp(at, " @ vmgen", 8) == 0;
		others += at && strncmp(at, " @ vmgen", 8) != 0;
	}
	status = pclose(f);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return OPENSSL_UNKNOWN;
	if (others)
		return OPENSSL_UNGUARDED;
	return guarded && status == 0 ? OPENSSL_GUARDED : OPENSSL_UNUSABLE;
}

static void check_openssl(struct patient *p)
{
	switch (ask_openssl()) {
	case OPENSSL_GUARDED:
		report(&p->report, VERDICT_OK, "openssl", NULL,
		       "programs that load openssl.cnf use the provider vmgen");
		break;
	case OPENSSL_UNGUARDED:
		report(&p->report, problem(p), "openssl",
		       "install libvmgen-openssl, enable the provider in openssl.cnf, and start what uses OpenSSL again",
		       "its random numbers do not come from the provider vmgen");
		break;
	case OPENSSL_UNUSABLE:
		report(&p->report, VERDICT_PROBLEM, "openssl",
		       "see what \"openssl list -random-instances\" says, and mend openssl.cnf",
		       "it gives no random numbers with its configuration");
		break;
	case OPENSSL_UNKNOWN:
		report(&p->report, VERDICT_NOTE, "openssl", NULL,
		       "there is no openssl command to ask");
	}
}

static void show_process(struct report *r, const struct process *process)
{
	unsigned int i;

	if (!r->json)
		printf("%-19s %ld %s:", "", (long)process->pid, process->command);
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

static void show_processes(struct patient *p, const struct processes *all)
{
	struct report *r = &p->report;
	size_t i;

	finding_begin(r, all->count ? problem(p) : VERDICT_OK, "processes", all->count ?
		      "guard what they draw with libvmgen, or have them start again on each change (vmgen exec)" :
		      NULL, "%zu of %zu have random numbers of their own and no libvmgen",
		      all->count, all->examined);
	if (r->json)
		json_begin(&r->j, "processes", '[');
	for (i = 0; i < all->count; i++)
		show_process(r, &all->at_risk[i]);
	if (r->json)
		json_end(&r->j, ']');
	finding_end(r);
	if (all->unreadable)
		report(r, VERDICT_NOTE, "unseen", geteuid() ? "run this as root" : NULL,
		       "processes that could not be looked at: %zu", all->unreadable);
}

static void check_processes(struct patient *p)
{
	struct processes all;
	int r = find_processes(&all);

	if (r < 0) {
		report(&p->report, VERDICT_PROBLEM, "processes", "mount /proc",
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
	p.vmgenid = kernel_hears_of_restores() ||
		    (p.look.status == VMGEN_ACTIVE &&
		     p.look.info.backend == VMGEN_BACKEND_VMGENCTR);
	p.exposed = p.look.status != VMGEN_ABSENT || machine_is_virtual();
	report_begin(&p.report);
	check_counter(&p);
	check_permission(&p);
	check_mode(&p);
	check_readiness(&p);
	check_kernel(&p);
	check_fork(&p);
	check_openssl(&p);
	check_processes(&p);
	report_end(&p.report);
	flush(self);
	return p.report.problems ? EXIT_FAILED : 0;
}

const struct command command_doctor = {
	"doctor", "tell what protects this machine, what does not, and what to do", help, run,
};
