// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * guardstat [-u UID] [-s] [-w] [-n] [-f FILE]: prints "spinning", spins until it runs in
 * another VM, and prints what a guard of libvmgen says then.
 *
 *   -u UID	as that user
 *   -s		seals the library before it spins
 *   -w		what it says once it has changed: asks the library until then
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

static int ask_until_changed(vmgen_guard *guard)
{
	int asked = 0;

	while (!vmgen_changed(guard)) {
		vmgen_sync(NULL);
		asked++;
		usleep(1000);
	}
	return asked;
}

static void report(bool changed, bool again, int asked, unsigned int reason)
{
	struct vmgen_info info = { 0 };
	int r = vmgen_sync(&info);

	printf("changed=%d\nagain=%d\nasked=%d\nreason=%u\n", changed, again, asked, reason);
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
	int option, asked = 0;
	unsigned int reason;

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
	puts("spinning");
	if (!now)
		spin();
	if (file)
		await(file);
	if (wait)
		asked = ask_until_changed(&guard);
	changed = wait || vmgen_changed(&guard);
	reason = vmgen_reason(&guard);
	again = vmgen_changed(&guard);
	report(changed, again, asked, reason);
	return 0;
}
