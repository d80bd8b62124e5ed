// SPDX-License-Identifier: GPL-2.0
/* Changes of the generation, in a guest that cannot cause them alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "change.h"

static bool change_by_waiting(void)
{
	const char *trigger = getenv("VMGENCTR_TRIGGER");

	return trigger && !strcmp(trigger, "wait");
}

const char *change_init(struct change *change)
{
	struct vmgenctr_info info;

	change->guid = NULL;
	change->fd = device_open();
	if (change->fd < 0)
		return "cannot open " VMGENCTR_DEVICE;
	change->page = device_map(change->fd, VMGENCTR_GENERATION_PGOFF);
	if (change->page == MAP_FAILED)
		return "cannot map the generation page";
	if (change_by_waiting())
		return NULL;
	if (device_read(change->fd, &info))
		return "cannot read " VMGENCTR_DEVICE;
	if (info_by_hypervisor(&info))
		return "needs a restore from a snapshot: see VMGENCTR_TRIGGER";
	return guid_map(&change->guid);
}

/* The variable was set by someone who now restores the guest. */
static void change_ask(void)
{
	printf("# vmgenctr: waiting for a generation change\n");
	fflush(stdout);
}

void change_generation(struct change *change)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	__u64 generation = page_generation(change->page);
	struct vmgenctr_info info;

	if (change->guid)
		guid_renew(change->guid);
	else
		change_ask();
	/* In software mode the page follows as soon as anyone reads. */
	while (page_generation(change->page) == generation) {
		device_read(change->fd, &info);
		nanosleep(&tick, NULL);
	}
}

const char *change_notify(struct change *change, const struct driver *driver)
{
	if (!change->guid) {
		change_ask();
		return NULL;
	}
	guid_renew(change->guid);
	return acpi_notify(driver);
}
