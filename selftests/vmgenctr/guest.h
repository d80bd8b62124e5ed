/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What root can do to the guest from within: reach the VM Generation ID and
 * other firmware memory, send the ACPI notification, unbind the driver, and
 * read the kernel log.  And the children that watch it happen.
 *
 * Functions that return a string return NULL on success, else what is missing.
 */
#ifndef _VMGENCTR_TEST_GUEST_H
#define _VMGENCTR_TEST_GUEST_H

#include <stdbool.h>
#include <sys/types.h>

#include <linux/types.h>

#define GUID_SIZE	16

/* Maps the page at a physical address writable; offsets are kept. */
const char *physical_map(__u64 address, void **ret);

/*
 * Maps the live VM Generation ID.  Its address comes from the variable
 * VMGENCTR_GUID_ADDRESS, else from QEMU's ACPI table.
 */
const char *guid_map(__u8 **ret);

/* Another GUID, which never was in use before. */
void guid_renew(__u8 *guid);

/* Finds the page that starts with the magic number in reserved memory. */
const char *counter_page_find(__u64 *ret_address);

struct driver {
	char device[64];
};

const char *driver_find(struct driver *ret);
/* These two return 0 or -errno. */
int driver_bind(const struct driver *driver);
int driver_unbind(const struct driver *driver);
bool driver_bound(const struct driver *driver);

/* Notify(device, 0x80), as the firmware does for a new GUID. */
const char *acpi_notify(const struct driver *driver);

/* How often to try what is a race; VMGENCTR_ROUNDS overrides it. */
unsigned int rounds(unsigned int by_default);

/*
 * A child that does not outlive its parent.  Its exit status is -1 when it was
 * killed, which happens to one that does not end.
 */
pid_t child_fork(void);
int child_result(pid_t pid);
/* Returns when the child sleeps in the kernel (or is gone). */
void child_wait_asleep(pid_t pid);

/* A kernel log that starts now; count consumes what was logged. */
int klog_open(void);
unsigned int klog_count(int fd, const char *text);

#endif /* _VMGENCTR_TEST_GUEST_H */
