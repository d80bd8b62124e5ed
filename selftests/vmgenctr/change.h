/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of the generation, in a guest that cannot cause them alone.
 *
 * In software mode root writes a new VM Generation ID into guest memory, which
 * is all that a hypervisor does.  In hypervisor mode only the hypervisor can
 * help: with VMGENCTR_TRIGGER=wait in the environment a test prints
 *
 *	# vmgenctr: waiting for a generation change
 *
 * and waits until whoever set the variable saves and restores the guest.
 */
#ifndef _VMGENCTR_TEST_CHANGE_H
#define _VMGENCTR_TEST_CHANGE_H

#include "device.h"
#include "guest.h"

struct change {
	const struct vmgenctr_generation_page *page;
	__u8 *guid;		/* NULL: wait for the hypervisor */
	int fd;			/* not that of the test: nothing is seen there */
};

/* NULL, or what is missing to change the generation. */
const char *change_init(struct change *change);

/* Returns when the generation page holds another generation. */
void change_generation(struct change *change);

/*
 * The same, but nothing is read: it takes the firmware's notification until
 * anything happens.  Does not wait; NULL, or what is missing to notify.
 */
const char *change_notify(struct change *change, const struct driver *driver);

#endif /* _VMGENCTR_TEST_CHANGE_H */
