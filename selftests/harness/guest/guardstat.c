// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * guardstat [-u UID] [-s] [-w] [-n] [-f FILE]: prints "spinning", spins until it runs in
 * another VM, and prints what a guard of libvmgen says then.
 *
 *   -u UID	as that user
 *   -s		seals the library before it spins
 *   -w		makes a watch before it spins, and waits until that tells of a change
 *   -n		now, without waiting for another VM
 *   -f FILE	when there is such a file, and after it has asked the library
 */
#define _GNU_SOURCE
#include <grp.h>
#include <stdbool.h>

#include <vmgen.h>

#include "guest.h"

static void become(unsigned int uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		die("setresuid");
}

static void spin(void)
{
	unsigned int number = vm_number();

	while (vm_number() == number)
		;
}

static void await(const char *file)
{
	while (access(file, F_OK) < 0)
		usleep(1000);
	vmgen_sync(NULL);
}

static vmgen_watch *new_watch(void)
{
	vmgen_watch *watch;

	if (vmgen_watch_new(&watch))
		die("vmgen_watch_new");
	return watch;
}

static void report(bool changed, bool again, unsigned int reason)
{
	struct vmgen_info info = { 0 };
	int r = vmgen_sync(&info);

	printf("changed=%d\nagain=%d\nreason=%u\n", changed, again, reason);
	printf("sync=%d\nstatus=%d\nbackend=%u\n", r, vmgen_status(), info.backend);
	printf("generation=%llu\n", (unsigned long long)info.generation);
	printf("reseeded=%d\n", !!(info.flags & VMGEN_INFO_CRNG_RESEEDED));
	print_hex("instance", info.instance_id, sizeof(info.instance_id));
}

int main(int argc, char **argv)
{
	static vmgen_guard guard = VMGEN_GUARD_INIT;
	bool wait = false, now = false, seal = false, changed, again;
	const char *file = NULL;
	vmgen_watch *watch = NULL;
	unsigned int reason;
	int option;

	need_vm_number();
	setvbuf(stdout, NULL, _IOLBF, 0);
	while ((option = getopt(argc, argv, "u:swnf:")) != -1) {
		if (option == 'u')
			become(atoi(optarg));
		else if (option == 's')
			seal = true;
		else if (option == 'w')
			wait = true;
		else if (option == 'n')
			now = true;
		else if (option == 'f')
			file = optarg;
		else
			return 2;
	}
	vmgen_changed(&guard);
	if (seal && vmgen_seal())
		die("vmgen_seal");
	if (wait)
		watch = new_watch();
	puts("spinning");
	if (!now)
		spin();
	if (file)
		await(file);
	if (wait && vmgen_watch_wait(watch, -1, NULL) != 1)
		die("vmgen_watch_wait");
	changed = vmgen_changed(&guard);
	reason = vmgen_reason(&guard);
	again = vmgen_changed(&guard);
	report(changed, again, reason);
	return 0;
}
