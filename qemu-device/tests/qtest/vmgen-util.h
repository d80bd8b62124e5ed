/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of devices that tell a guest of a restore have in common:
 * machines, snapshots and streams
 *
 * Firmware does not run here: the tests do its part and hand the address of
 * the GUID to the vmgenid device themselves.
 */

#ifndef TESTS_VMGEN_UTIL_H
#define TESTS_VMGEN_UTIL_H

#include "libqos/libqos-pc.h"
#include "libqos/fw_cfg.h"

#define GUID_A "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"
#define GUID_B "1b4a3b5e-54a4-4d3b-8f0c-0b6d2a7e5a11"

/* What the guest relies on, so it must not change */
#define GUID_FILE       "etc/vmgenid_guid"
#define GUID_FILE_SIZE  4096
#define GUID_OFFSET     40
#define ADDR_FILE       "etc/vmgenid_addr"
#define GPE_VMGENID     5
#define GED_SELECTOR    0xfea00000
#define GED_VMGENID     0x40

typedef struct VM {
    QOSState *qs;
    QTestState *qts;
    QFWCFG *fw_cfg;
    uint64_t guid_page;     /* where "firmware" put the GUID */
    uint16_t gpe;           /* port of the GPE status, 0 if there is none */
} VM;

/* A folder for the files of this run, which the tests leave empty */
void tmp_create(void);
void tmp_remove(void);
char *tmp_path(const char *name);

char *find_bytes(char *data, size_t size, const char *bytes, size_t len);

/*** A virtual machine, and what its guest can see ***/

G_GNUC_PRINTF(2, 3) VM *vm_start(const char *machine, const char *fmt, ...);
void vm_quit(VM *vm);

/* What the linker-loader commands make the firmware do */
void vm_run_firmware(VM *vm);

/* Whether an event has been sent to the guest since the last call */
bool vm_take_event(VM *vm, int event);

/* Whether the machine's ACPI tables have these bytes */
bool vm_has_aml(VM *vm, const char *bytes, size_t len);

bool vm_is_running(VM *vm);

/* HMP is silent when all is well */
void vm_hmp(VM *vm, const char *command);

/* Start QEMU, which must refuse, and return what it says */
char *run_refused(const char *machine, const char *device);

/*
 * Boot a guest that stores to a page of a device in several ways, and check
 * that it changes nothing; it finds this value in that field.  Skips the test
 * where QEMU cannot use the accelerator.
 */
void check_guest_writes(const char *accel, const char *devices, uint64_t field,
                        uint32_t value);

/*** Snapshots, loaded in place ***/

#define DISK "-drive if=none,id=d,format=qcow2,file=%s "

#define DISK_FOR_JOBS \
    "-blockdev driver=qcow2,node-name=d,file.driver=file,file.filename=%s " \
    "-device virtio-blk-pci,drive=d "

char *create_disk(void);

/* In the place of all that need such a disk, where none can be made */
void test_without_qemu_img(void);

/*
 * Run savevm, loadvm, snapshot-save or snapshot-load with the snapshot "s" to
 * its end.  The jobs need a disk that has the node name "d".  Returns the
 * error, or NULL.
 */
char *vm_snapshot(VM *vm, const char *command);

/* The same for snapshot-save and snapshot-load, which must succeed */
void vm_snapshot_job(VM *vm, const char *command);

/*
 * loadvm fails, and the guest, which was running, is left stopped.  What it
 * would find, and whether it may go on, is for the caller to check.
 */
void vm_loadvm_fails(VM *vm, const char *name);
/* It may have half of a snapshot in it, and wants a reset first */
void vm_cannot_run(VM *vm);

/*** Streams, loaded into a new process ***/

char *stream_path(void);
char *stream_uri(void);

/* Begin to save, or to load; returns whether there is such a capability here */
void vm_migrate(VM *vm, const char *uri);
void vm_listen(VM *vm, const char *uri);
bool vm_enable(VM *vm, const char *capability);

/* Returns whether it has come so far, rather than completed or failed */
bool vm_wait_status(VM *vm, const char *status);

/* Returns whether it has completed, rather than failed */
bool vm_wait_migration(VM *vm);

/* When a load fails, nobody can make the guest run any more */
void vm_save(VM *vm, const char *uri);
bool vm_load(VM *vm, const char *uri);

/*
 * Change the stream at, or cut it off after, an offset in a subsection.  The
 * subsection begins with 5, the length of its name, and the name.
 */
void damage_stream(const char *subsection, size_t offset,
                   const void *data, size_t len);

/* A machine whose memory can be handed over */
#define CPR_MACHINE "pc,aux-ram-share=on,memory-backend=m"
#define CPR_MEMORY  "-object memory-backend-memfd,id=m,size=16M,share=on "

/*
 * Start a new QEMU while the old one, which has CPR_MACHINE and CPR_MEMORY,
 * still runs the guest, and hand the guest over.
 */
VM *vm_cpr_transfer(VM *old, const char *devices);
void vm_quit_successor(VM *vm);

#endif
