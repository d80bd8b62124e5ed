/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest testcase for the generation counter of the vmgenid device
 *
 * Firmware does not run here: the tests do its part and hand the address of
 * the GUID to the device themselves.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "qemu/uuid.h"
#include "libqos/fw_cfg.h"
#include "libqos/libqos-pc.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/vmgenctr.h"

#define GUID_A "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87"
#define GUID_B "1b4a3b5e-54a4-4d3b-8f0c-0b6d2a7e5a11"

/* What the guest relies on, so it must not change */
#define COUNTER_ADDR    0xfeffa000
#define COUNTER_SIZE    4096
#define GUID_FILE       "etc/vmgenid_guid"
#define GUID_FILE_SIZE  4096
#define GUID_OFFSET     40
#define ADDR_FILE       "etc/vmgenid_addr"
#define GPE_VMGENID     (1 << 5)

/* In the stream: 5, length, name, 32 bits of version, generation, GUID */
#define SUBSECTION              "\x05\x0fvmgenid/counter"
#define SUBSECTION_VERSION      (sizeof(SUBSECTION) - 1)
#define SUBSECTION_GENERATION   (SUBSECTION_VERSION + 4)
#define SUBSECTION_GUID         (SUBSECTION_GENERATION + 8)

typedef struct VM {
    QOSState *qs;
    QTestState *qts;
    QFWCFG *fw_cfg;
    uint64_t guid_page;     /* where "firmware" put the GUID */
    uint16_t gpe;           /* port of the GPE status */
} VM;

static char *tmpdir;

static char *tmp_path(const char *name)
{
    return g_build_filename(tmpdir, name, NULL);
}

static char *find_bytes(char *data, size_t size, const char *bytes, size_t len)
{
    char *end = data + size - len;

    for (; data <= end; data++) {
        if (!memcmp(data, bytes, len)) {
            return data;
        }
    }
    return NULL;
}

/*** A virtual machine, and what its guest can see ***/

static void vm_enable_gpe(VM *vm, bool q35)
{
    if (q35) {
        /* PMBASE and ACPI_CNTL of the ICH9's LPC bridge */
        qtest_outl(vm->qts, 0xcf8, 0x8000f840);
        qtest_outl(vm->qts, 0xcfc, 0x601);
        qtest_outl(vm->qts, 0xcf8, 0x8000f844);
        qtest_outb(vm->qts, 0xcfc, 0x80);
    }
    vm->gpe = q35 ? 0x620 : 0xafe0;
}

static G_GNUC_PRINTF(2, 3) VM *vm_start(const char *machine,
                                        const char *fmt, ...)
{
    VM *vm = g_new0(VM, 1);
    g_autofree char *args = NULL;
    va_list ap;

    va_start(ap, fmt);
    args = g_strdup_vprintf(fmt, ap);
    va_end(ap);

    vm->qs = qtest_pc_boot("-machine %s -m 16 -nodefaults %s", machine, args);
    vm->qts = vm->qs->qts;
    vm->fw_cfg = pc_fw_cfg_init(vm->qts);
    vm->guid_page = guest_alloc(&vm->qs->alloc, GUID_FILE_SIZE);
    vm_enable_gpe(vm, strstr(machine, "q35"));
    return vm;
}

static void vm_quit(VM *vm)
{
    guest_free(&vm->qs->alloc, vm->guid_page);
    pc_fw_cfg_uninit(vm->fw_cfg);
    qtest_shutdown(vm->qs);
    g_free(vm);
}

/* What the linker-loader commands make the firmware do */
static void vm_run_firmware(VM *vm)
{
    uint64_t addr = cpu_to_le64(vm->guid_page + GUID_OFFSET);
    uint8_t blob[GUID_FILE_SIZE];

    qfw_cfg_read_file(vm->fw_cfg, vm->qs, GUID_FILE,
                      blob, sizeof(blob));
    qtest_bufwrite(vm->qts, vm->guid_page, blob, sizeof(blob));
    qfw_cfg_write_file(vm->fw_cfg, vm->qs, ADDR_FILE,
                       &addr, sizeof(addr));
}

static QemuUUID vm_guest_guid(VM *vm)
{
    QemuUUID guid;

    qtest_bufread(vm->qts, vm->guid_page + GUID_OFFSET,
                  &guid, sizeof(guid));
    return qemu_uuid_bswap(guid);
}

static QemuUUID vm_fw_cfg_guid(VM *vm)
{
    uint8_t blob[GUID_FILE_SIZE];
    QemuUUID guid;

    qfw_cfg_read_file(vm->fw_cfg, vm->qs, GUID_FILE,
                      blob, sizeof(blob));
    memcpy(&guid, blob + GUID_OFFSET, sizeof(guid));
    return qemu_uuid_bswap(guid);
}

/* Whether the guest has been notified since the last call */
static bool vm_take_notify(VM *vm)
{
    bool notified = qtest_inb(vm->qts, vm->gpe) & GPE_VMGENID;

    qtest_outb(vm->qts, vm->gpe, GPE_VMGENID);
    return notified;
}

static uint64_t vm_generation(VM *vm)
{
    return qtest_readq(vm->qts, COUNTER_ADDR +
                       offsetof(struct vmgenctr_generation_page, generation));
}

static QDict *vm_query(VM *vm)
{
    return qtest_qmp_assert_success_ref(
        vm->qts, "{ 'execute': 'query-vm-generation-id' }");
}

static QemuUUID vm_query_guid(VM *vm)
{
    g_autoptr(QDict) info = vm_query(vm);
    QemuUUID guid;

    g_assert_cmpint(qemu_uuid_parse(qdict_get_str(info, "guid"), &guid), ==, 0);
    return guid;
}

static void assert_guid(QemuUUID guid, const char *expected)
{
    g_autofree char *str = qemu_uuid_unparse_strdup(&guid);

    g_assert_cmpstr(str, ==, expected);
}

static void assert_guid_eq(QemuUUID a, QemuUUID b)
{
    g_autofree char *str = qemu_uuid_unparse_strdup(&b);

    assert_guid(a, str);
}

static void assert_guid_ne(QemuUUID a, QemuUUID b)
{
    g_assert_false(qemu_uuid_is_equal(&a, &b));
}

/* All that a guest sees of a generation, and that it is one and the same */
static void assert_generation(VM *vm, uint64_t generation)
{
    g_autoptr(QDict) info = vm_query(vm);
    struct vmgenctr_generation_page page;

    qtest_bufread(vm->qts, COUNTER_ADDR, &page, sizeof(page));
    g_assert_cmphex(le32_to_cpu(page.magic), ==, VMGENCTR_GENERATION_MAGIC);
    g_assert_cmpuint(le32_to_cpu(page.size), ==, sizeof(page));
    g_assert_cmpuint(le16_to_cpu(page.version), ==, VMGENCTR_VERSION);
    g_assert_cmpuint(le16_to_cpu(page.reserved), ==, 0);
    g_assert_cmphex(le64_to_cpu(page.flags), ==, VMGENCTR_F_HYPERVISOR);
    g_assert_cmpuint(le64_to_cpu(page.generation), ==, generation);
    /* even, and of this generation: see the specification */
    g_assert_cmpuint(le32_to_cpu(page.seq_count), ==, (uint32_t)generation * 2);
    g_assert_cmpuint(qdict_get_int(info, "generation"), ==, generation);
}

/*** The page and its description ***/

static void test_cold_start(const void *machine)
{
    VM *vm = vm_start(machine, "-device vmgenid,counter=on,guid=" GUID_A);

    vm_run_firmware(vm);
    assert_generation(vm, 1);
    assert_guid(vm_guest_guid(vm), GUID_A);
    g_assert_false(vm_take_notify(vm));
    vm_quit(vm);
}

static void test_floor(void)
{
    VM *vm = vm_start("pc", "-device vmgenid,counter=on,generation=4711");

    assert_generation(vm, 4711);
    vm_quit(vm);
}

/* No instruction has run yet with -S, and the page is complete */
static void test_paused_at_start(void)
{
    VM *vm = vm_start("pc", "-S -device vmgenid,counter=on");

    assert_generation(vm, 1);
    vm_quit(vm);
}

/* The page must not give away anything, least of all the GUID */
static void test_rest_of_page_is_zero(void)
{
    VM *vm = vm_start("pc", "-device vmgenid,counter=on,guid=" GUID_A);
    uint8_t page[COUNTER_SIZE];
    size_t i;

    vm_run_firmware(vm);
    qtest_bufread(vm->qts, COUNTER_ADDR, page, sizeof(page));
    for (i = sizeof(struct vmgenctr_generation_page); i < sizeof(page); i++) {
        g_assert_cmphex(page[i], ==, 0);
    }
    vm_quit(vm);
}

static void test_write_is_dropped(void)
{
    VM *vm = vm_start("pc", "-device vmgenid,counter=on");
    uint64_t i;

    for (i = 0; i < COUNTER_SIZE; i += 8) {
        qtest_writeq(vm->qts, COUNTER_ADDR + i, -1);
    }
    assert_generation(vm, 1);
    g_assert_cmphex(qtest_readq(vm->qts, COUNTER_ADDR +
                                COUNTER_SIZE - 8), ==, 0);
    vm_quit(vm);
}

/*
 * A boot sector that loads the generation, stores to the page in several ways,
 * loads the generation again, leaves both values at 0x8000 and reports a panic.
 */
static const uint8_t writer[] = {
    0xfa,                               /* cli */
    0x31, 0xc0,                         /* xor %ax,%ax */
    0x8e, 0xd8,                         /* mov %ax,%ds */
    0x0f, 0x01, 0x16, 0x54, 0x7c,       /* lgdtw 0x7c54 */
    0x0f, 0x20, 0xc0,                   /* mov %cr0,%eax */
    0x0c, 0x01,                         /* or $1,%al */
    0x0f, 0x22, 0xc0,                   /* mov %eax,%cr0 */
    0xbb, 0x08, 0x00,                   /* mov $8,%bx */
    0x8e, 0xdb,                         /* mov %bx,%ds */
    0x66, 0xbb, 0x00, 0xa0, 0xff, 0xfe, /* mov $0xfeffa000,%ebx */
    0x67, 0x66, 0x8b, 0x43, 0x18,       /* mov 0x18(%ebx),%eax */
    0x66, 0xa3, 0x00, 0x80,             /* mov %eax,0x8000 */
    0x67, 0x66, 0xc7, 0x43, 0x18,       /* movl $-1,0x18(%ebx) */
    0xff, 0xff, 0xff, 0xff,
    0x67, 0x66, 0xf0, 0x87, 0x43, 0x1c, /* lock xchg %eax,0x1c(%ebx) */
    0x67, 0xc7, 0x03, 0xff, 0xff,       /* movw $-1,(%ebx) */
    0x67, 0xc6, 0x83,                   /* movb $-1,0xfff(%ebx) */
    0xff, 0x0f, 0x00, 0x00, 0xff,
    0x67, 0x66, 0x8b, 0x43, 0x18,       /* mov 0x18(%ebx),%eax */
    0x66, 0xa3, 0x04, 0x80,             /* mov %eax,0x8004 */
    0xba, 0x05, 0x05,                   /* mov $0x505,%dx */
    0xb0, 0x01,                         /* mov $1,%al */
    0xee,                               /* out %al,(%dx) */
    0xf4,                               /* 1: hlt */
    0xeb, 0xfd,                         /* jmp 1b */
    0x0f, 0x00, 0x5a, 0x7c, 0x00, 0x00, /* 0x7c54: GDT, 16 bytes at 0x7c5a */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xff, 0xff, 0x00, 0x00, 0x00, 0x92, 0xcf, 0x00, /* flat data, writable */
};

static void test_guest_write_is_dropped(const void *accel)
{
    g_autofree char *disk = tmp_path("boot");
    uint8_t sector[512] = { [510] = 0x55, [511] = 0xaa };
    VM *vm;

    memcpy(sector, writer, sizeof(writer));
    g_assert_true(g_file_set_contents(disk, (char *)sector, sizeof(sector),
                                      NULL));
    vm = vm_start("pc", "-accel %s -S -action panic=pause -device pvpanic "
                  "-device vmgenid,counter=on,generation=4711 "
                  "-device ide-hd,drive=d "
                  "-drive if=none,id=d,format=raw,file=%s",
                  (const char *)accel, disk);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'cont' }");
    qtest_qmp_eventwait(vm->qts, "GUEST_PANICKED");
    g_assert_cmpuint(qtest_readl(vm->qts, 0x8000), ==, 4711);
    g_assert_cmpuint(qtest_readl(vm->qts, 0x8004), ==, 4711);
    assert_generation(vm, 4711);
    g_assert_cmphex(qtest_readq(vm->qts, COUNTER_ADDR + COUNTER_SIZE - 8),
                    ==, 0);
    vm_quit(vm);
    unlink(disk);
}

static void test_page_is_reserved(void)
{
    VM *vm = vm_start("pc", "-device vmgenid,counter=on");
    struct {
        uint64_t address;
        uint64_t length;
        uint32_t type;
    } QEMU_PACKED table[32];
    size_t i, len;
    int found = 0;

    len = qfw_cfg_get_file(vm->fw_cfg, "etc/e820", table, sizeof(table));
    for (i = 0; i < len / sizeof(table[0]); i++) {
        found += le64_to_cpu(table[i].address) == COUNTER_ADDR &&
                 le64_to_cpu(table[i].length) == COUNTER_SIZE &&
                 le32_to_cpu(table[i].type) == 2 /* reserved */;
    }
    g_assert_cmpint(found, ==, 1);
    vm_quit(vm);
}

static bool vm_has_ctra(VM *vm)
{
    static const char ctra[] =
        "CTRA" "\x00"               /* no arguments */
        "\xa4"                      /* Return */
        "\x12\x08\x02"              /* Package, 8 bytes, 2 elements */
        "\x0c\x00\xa0\xff\xfe"      /* DWord 0xfeffa000 */
        "\x00";                     /* Zero */
    size_t size = 256 * KiB;
    g_autofree char *tables = g_malloc(size);

    size = qfw_cfg_read_file(vm->fw_cfg, vm->qs, "etc/acpi/tables",
                             tables, size);
    g_assert_nonnull(find_bytes(tables, size, "VM_Gen_Counter", 14));
    if (!find_bytes(tables, size, "CTRA", 4)) {
        return false;
    }
    g_assert_nonnull(find_bytes(tables, size, ctra, sizeof(ctra) - 1));
    return true;
}

typedef struct CtraTest {
    const char *name;
    const char *machine;
    const char *property;
    bool present;
} CtraTest;

static const CtraTest ctra_tests[] = {
    { "pc/on", "pc", ",counter=on", true },
    { "pc/off", "pc", ",counter=off", false },
    { "pc/default", "pc", "", true },
    { "q35/default", "q35", "", true },
    { "pc/old-machine", "pc-i440fx-9.2", "", false },
    { "q35/old-machine", "pc-q35-9.2", "", false },
    { "q35/old-machine-on", "pc-q35-9.2", ",counter=on", true },
};

static void test_ctra(const void *opaque)
{
    const CtraTest *t = opaque;
    VM *vm = vm_start(t->machine, "-device vmgenid%s", t->property);
    g_autoptr(QDict) info = vm_query(vm);

    g_assert_cmpint(vm_has_ctra(vm), ==, t->present);
    g_assert_cmpint(qdict_haskey(info, "generation"), ==, t->present);
    g_assert_cmpint(vm_generation(vm) == 1, ==, t->present);
    vm_quit(vm);
}

/* Start QEMU, which must refuse, and return what it says */
static char *run_refused(const char *device)
{
    const char *argv[] = {
        getenv("QTEST_QEMU_BINARY"), "-accel", "qtest", "-display", "none",
        "-machine", "pc", "-nodefaults", "-device", device, NULL
    };
    g_autoptr(GError) err = NULL;
    char *text = NULL;
    int status;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
                 NULL, &text, &status, &err);
    g_assert_no_error(err);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    return text;
}

static void test_exhausted_floor_is_refused(void)
{
    g_autofree char *text =
        run_refused("vmgenid,counter=on,generation=18446744073709551615");

    g_assert_nonnull(strstr(text, "generation must be at most"));
}

static void test_floor_without_counter_is_refused(void)
{
    g_autofree char *text = run_refused("vmgenid,counter=off,generation=2");

    g_assert_nonnull(strstr(text, "generation needs counter=on"));
}

static void test_monitor(void)
{
    VM *vm = vm_start("pc", "-device vmgenid,counter=on,guid=" GUID_A);
    g_autofree char *hmp = qtest_hmp(vm->qts, "info vm-generation-id");

    g_assert_cmpstr(hmp, ==, GUID_A "\r\ngeneration: 1\r\n");
    vm_quit(vm);
}

/*** Events that are no restore ***/

static void test_reset(void)
{
    VM *vm = vm_start("pc", "-device vmgenid,counter=on,guid=auto");
    QemuUUID guid = vm_query_guid(vm);
    int i;

    for (i = 0; i < 3; i++) {
        vm_run_firmware(vm);
        assert_guid_eq(vm_guest_guid(vm), guid);
        qtest_system_reset(vm->qts);
        assert_generation(vm, 1);
    }
    g_assert_false(vm_take_notify(vm));
    vm_quit(vm);
}

static void test_stop_cont(void)
{
    VM *vm = vm_start("pc", "-device vmgenid,counter=on,guid=" GUID_A);

    vm_run_firmware(vm);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'stop' }");
    assert_generation(vm, 1);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'cont' }");
    assert_generation(vm, 1);
    g_assert_false(vm_take_notify(vm));
    vm_quit(vm);
}

/*** Snapshots, loaded in place ***/

static char *create_disk(void)
{
    char *disk = tmp_path("disk.qcow2");

    g_assert_true(mkimg(disk, "qcow2", 64));
    return disk;
}

#define DISK "-drive if=none,id=d,format=qcow2,file=%s "

/* HMP is silent when all is well */
static void vm_hmp(VM *vm, const char *command)
{
    g_autofree char *text = qtest_hmp(vm->qts, "%s", command);

    g_assert_cmpstr(text, ==, "");
}

static void test_loadvm(const void *machine)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start(machine, DISK "-device vmgenid,counter=on,guid=auto",
                      disk);
    QemuUUID last = vm_query_guid(vm);
    uint64_t i;

    vm_run_firmware(vm);
    vm_hmp(vm, "savevm s");
    assert_generation(vm, 1);
    for (i = 2; i < 6; i++) {
        vm_hmp(vm, "loadvm s");
        assert_generation(vm, i);
        g_assert_true(vm_take_notify(vm));
        assert_guid_ne(vm_guest_guid(vm), last);
        assert_guid_eq(vm_guest_guid(vm), vm_query_guid(vm));
        last = vm_guest_guid(vm);
    }
    vm_quit(vm);
    unlink(disk);
}

static void test_loadvm_fixed_guid(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK "-device vmgenid,counter=on,guid=" GUID_A,
                      disk);

    vm_run_firmware(vm);
    vm_hmp(vm, "savevm s");
    vm_hmp(vm, "loadvm s");
    assert_generation(vm, 2);
    assert_guid(vm_guest_guid(vm), GUID_A);
    g_assert_true(vm_take_notify(vm));
    vm_quit(vm);
    unlink(disk);
}

/* A new GUID does not depend on the counter */
static void test_loadvm_without_counter(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK "-device vmgenid,counter=off,guid=auto", disk);
    QemuUUID last = vm_query_guid(vm);
    int i;

    vm_run_firmware(vm);
    vm_hmp(vm, "savevm s");
    for (i = 0; i < 3; i++) {
        vm_hmp(vm, "loadvm s");
        g_assert_true(vm_take_notify(vm));
        assert_guid_ne(vm_guest_guid(vm), last);
        last = vm_guest_guid(vm);
    }
    vm_quit(vm);
    unlink(disk);
}

/* Snapshots of different age, back and forth */
static void test_loadvm_older(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK "-device vmgenid,counter=on", disk);

    vm_hmp(vm, "savevm one");
    vm_hmp(vm, "loadvm one");
    vm_hmp(vm, "savevm two");
    vm_hmp(vm, "loadvm one");
    assert_generation(vm, 3);
    vm_hmp(vm, "loadvm two");
    assert_generation(vm, 4);
    vm_quit(vm);
    unlink(disk);
}

/* Another process knows the snapshot's generation only from the snapshot */
static void test_loadvm_at_start(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK "-device vmgenid,counter=on,generation=70,"
                      "guid=" GUID_A, disk);

    vm_run_firmware(vm);
    vm_hmp(vm, "savevm s");
    vm_quit(vm);
    vm = vm_start("pc", DISK "-loadvm s -device vmgenid,counter=on,"
                  "guid=" GUID_A, disk);
    assert_generation(vm, 71);
    g_assert_true(vm_take_notify(vm));
    vm_quit(vm);
    unlink(disk);
}

/* The GUID that the guest got with the snapshot stays over a reboot */
static void test_loadvm_then_reboot(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK "-device vmgenid,counter=on,guid=auto", disk);
    QemuUUID guid;

    vm_run_firmware(vm);
    vm_hmp(vm, "savevm s");
    vm_hmp(vm, "loadvm s");
    guid = vm_guest_guid(vm);
    qtest_system_reset(vm->qts);
    vm_has_ctra(vm);    /* reads the tables, and makes QEMU build them again */
    assert_guid_eq(vm_fw_cfg_guid(vm), guid);
    vm_run_firmware(vm);
    assert_guid_eq(vm_guest_guid(vm), guid);
    assert_generation(vm, 2);
    vm_quit(vm);
    unlink(disk);
}

/*
 * When the load stops half way, memory may be the snapshot's already.  QEMU
 * leaves the machine stopped, but the user can insist.
 */
static void test_loadvm_failed(void)
{
    g_autofree char *disk = create_disk();
    g_autofree char *text = NULL;
    VM *vm = vm_start("pc", DISK "-device vmcoreinfo "
                      "-device vmgenid,counter=on", disk);

    vm_hmp(vm, "savevm s");
    vm_quit(vm);
    /* The device that is missing here comes after the memory, before ours */
    vm = vm_start("pc", DISK "-device vmgenid,counter=on", disk);
    text = qtest_hmp(vm->qts, "loadvm s");
    g_assert_nonnull(strstr(text, "Error"));
    assert_generation(vm, 2);
    vm_quit(vm);
    unlink(disk);
}

static void test_snapshot_of_no_counter(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK "-device vmgenid,counter=off", disk);

    vm_run_firmware(vm);
    vm_hmp(vm, "savevm s");
    vm_quit(vm);
    vm = vm_start("pc", DISK "-device vmgenid,counter=on", disk);
    vm_hmp(vm, "loadvm s");
    assert_generation(vm, 2);
    vm_hmp(vm, "loadvm s");
    assert_generation(vm, 3);
    g_assert_true(vm_take_notify(vm));
    vm_quit(vm);
    unlink(disk);
}

static void vm_wait_job(VM *vm, const char *id)
{
    const char *status;

    do {
        g_autoptr(QDict) event =
            qtest_qmp_eventwait_ref(vm->qts, "JOB_STATUS_CHANGE");
        QDict *data = qdict_get_qdict(event, "data");

        g_assert_cmpstr(qdict_get_str(data, "id"), ==, id);
        status = g_intern_string(qdict_get_str(data, "status"));
    } while (strcmp(status, "concluded"));
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'job-dismiss', 'arguments': { 'id': %s } }", id);
    qtest_qmp_eventwait(vm->qts, "JOB_STATUS_CHANGE"); /* null */
}

static void test_snapshot_load_job(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", "-blockdev driver=qcow2,node-name=d,"
                      "file.driver=file,file.filename=%s "
                      "-device virtio-blk-pci,drive=d "
                      "-device vmgenid,counter=on,guid=auto", disk);
    QemuUUID last = vm_query_guid(vm);
    uint64_t i;

    vm_run_firmware(vm);
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'snapshot-save', 'arguments': {"
        "'job-id': 'j', 'tag': 's', 'vmstate': 'd', 'devices': [ 'd' ] } }");
    vm_wait_job(vm, "j");
    for (i = 2; i < 5; i++) {
        qtest_qmp_assert_success(
            vm->qts, "{ 'execute': 'snapshot-load', 'arguments': {"
            "'job-id': 'j', 'tag': 's', 'vmstate': 'd', 'devices': [ 'd' ] } }");
        vm_wait_job(vm, "j");
        assert_generation(vm, i);
        g_assert_true(vm_take_notify(vm));
        assert_guid_ne(vm_guest_guid(vm), last);
        last = vm_guest_guid(vm);
    }
    vm_quit(vm);
    unlink(disk);
}

/*** Streams, loaded into a new process ***/

static void vm_enable_events(VM *vm)
{
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'migrate-set-capabilities', 'arguments': {"
        "'capabilities': [ { 'capability': 'events', 'state': true } ] } }");
}

/* Returns whether the migration has completed, rather than failed */
static bool vm_wait_migration(VM *vm)
{
    const char *status;

    do {
        g_autoptr(QDict) event = qtest_qmp_eventwait_ref(vm->qts, "MIGRATION");
        QDict *data = qdict_get_qdict(event, "data");

        status = g_intern_string(qdict_get_str(data, "status"));
    } while (strcmp(status, "completed") && strcmp(status, "failed"));
    return !strcmp(status, "completed");
}

static void vm_save(VM *vm, const char *uri)
{
    vm_enable_events(vm);
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'migrate', 'arguments': { 'uri': %s } }", uri);
    g_assert_true(vm_wait_migration(vm));
}

static bool vm_load(VM *vm, const char *uri)
{
    vm_enable_events(vm);
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'migrate-incoming', 'arguments': {"
        "'uri': %s, 'exit-on-error': false } }", uri);
    return vm_wait_migration(vm);
}

static char *stream_path(void)
{
    return tmp_path("stream");
}

static char *stream_uri(void)
{
    return g_strdup_printf("file:%s/stream", tmpdir);
}

/* The stream of a machine that has booted, and what it had */
static void save_stream(const char *machine, const char *device)
{
    g_autofree char *uri = stream_uri();
    VM *vm = vm_start(machine, "-device %s", device);

    vm_run_firmware(vm);
    vm_save(vm, uri);
    vm_quit(vm);
}

typedef struct IncomingTest {
    const char *name;
    const char *source;
    const char *target;
    uint64_t generation;    /* 0: the load must fail */
    bool notify;
    const char *guid;       /* NULL: any but GUID_A */
} IncomingTest;

static const IncomingTest incoming_tests[] = {
    { "same-guid", "counter=on,generation=5,guid=" GUID_A,
      "counter=on,guid=" GUID_A, 5, false, GUID_A },
    { "same-guid/floor-reached", "counter=on,generation=5,guid=" GUID_A,
      "counter=on,generation=5,guid=" GUID_A, 5, false, GUID_A },
    { "same-guid/floor-not-reached", "counter=on,generation=5,guid=" GUID_A,
      "counter=on,generation=9,guid=" GUID_A, 9, true, GUID_A },
    { "other-guid", "counter=on,generation=5,guid=" GUID_A,
      "counter=on,guid=" GUID_B, 6, true, GUID_B },
    { "other-guid/floor", "counter=on,generation=5,guid=" GUID_A,
      "counter=on,generation=9,guid=" GUID_B, 9, true, GUID_B },
    { "auto-guid", "counter=on,generation=5,guid=" GUID_A,
      "counter=on,guid=auto", 6, true, NULL },
    { "source-without-counter/same-guid", "counter=off,guid=" GUID_A,
      "counter=on,guid=" GUID_A, 2, true, GUID_A },
    { "source-without-counter/auto-guid", "counter=off,guid=" GUID_A,
      "counter=on,guid=auto", 2, true, NULL },
    { "source-without-counter/floor", "counter=off,guid=" GUID_A,
      "counter=on,generation=9,guid=" GUID_A, 9, true, GUID_A },
    { "target-without-counter", "counter=on,guid=" GUID_A,
      "counter=off,guid=" GUID_A, 0 },
    { "exhausted",
      "counter=on,generation=18446744073709551614,guid=" GUID_A,
      "counter=on,guid=" GUID_B, 0 },
};

static void check_incoming(const char *machine, const IncomingTest *t)
{
    g_autofree char *uri = stream_uri();
    VM *vm = vm_start(machine, "-incoming defer -device vmgenid,%s", t->target);
    QemuUUID old;

    g_assert_cmpint(vm_load(vm, uri), ==, t->generation != 0);
    if (t->generation) {
        assert_generation(vm, t->generation);
        g_assert_cmpint(vm_take_notify(vm), ==, t->notify);
        assert_guid_eq(vm_guest_guid(vm), vm_query_guid(vm));
        g_assert_cmpint(qemu_uuid_parse(GUID_A, &old), ==, 0);
        if (t->guid) {
            assert_guid(vm_guest_guid(vm), t->guid);
        } else {
            assert_guid_ne(vm_guest_guid(vm), old);
        }
    }
    vm_quit(vm);
}

static void test_incoming(const char *machine, const IncomingTest *t)
{
    g_autofree char *device = g_strdup_printf("vmgenid,%s", t->source);
    g_autofree char *path = stream_path();

    save_stream(machine, device);
    check_incoming(machine, t);
    unlink(path);
}

static void test_incoming_pc(const void *t)
{
    test_incoming("pc", t);
}

static void test_incoming_q35(const void *t)
{
    test_incoming("q35", t);
}

/* Two clones of one stream are siblings, and one of them has a child */
static void test_clone_of_clone(void)
{
    g_autofree char *path = stream_path();
    g_autofree char *uri = stream_uri();
    QemuUUID guid[3];
    VM *vm;
    int i;

    save_stream("pc", "vmgenid,counter=on,guid=auto");
    for (i = 0; i < 2; i++) {
        vm = vm_start("pc", "-incoming defer -device vmgenid,counter=on");
        g_assert_true(vm_load(vm, uri));
        assert_generation(vm, 2);
        guid[i] = vm_guest_guid(vm);
        if (i == 1) {
            vm_save(vm, uri);
        }
        vm_quit(vm);
    }
    vm = vm_start("pc", "-incoming defer -device vmgenid,counter=on");
    g_assert_true(vm_load(vm, uri));
    assert_generation(vm, 3);
    guid[2] = vm_guest_guid(vm);
    vm_quit(vm);

    assert_guid_ne(guid[0], guid[1]);
    assert_guid_ne(guid[1], guid[2]);
    assert_guid_ne(guid[0], guid[2]);
    unlink(path);
}

/* The notification waits in the machine's state while the guest does not run */
static void test_notify_while_paused(void)
{
    g_autofree char *path = stream_path();
    g_autofree char *uri = stream_uri();
    VM *vm;

    save_stream("pc", "vmgenid,counter=on,guid=" GUID_A);
    vm = vm_start("pc", "-S -incoming defer "
                  "-device vmgenid,counter=on,guid=" GUID_B);
    g_assert_true(vm_load(vm, uri));
    vm_save(vm, uri);
    vm_quit(vm);

    vm = vm_start("pc", "-incoming defer "
                  "-device vmgenid,counter=on,guid=" GUID_B);
    g_assert_true(vm_load(vm, uri));
    assert_generation(vm, 2);
    g_assert_true(vm_take_notify(vm));
    vm_quit(vm);
    unlink(path);
}

static void test_live_migration(void)
{
    g_autofree char *sock = tmp_path("sock");
    g_autofree char *uri = g_strdup_printf("unix:%s", sock);
    VM *from = vm_start("q35", "-device vmgenid,counter=on,generation=3,"
                        "guid=" GUID_A);
    VM *to = vm_start("q35", "-incoming %s -device vmgenid,counter=on,"
                      "guid=" GUID_A, uri);

    vm_run_firmware(from);
    vm_save(from, uri);
    qtest_qmp_eventwait(to->qts, "RESUME");
    assert_generation(to, 3);
    g_assert_false(vm_take_notify(to));
    /* and the life after it: both kinds of restore have been here now */
    assert_guid(vm_guest_guid(to), GUID_A);
    vm_quit(from);
    vm_quit(to);
    unlink(sock);
}

typedef struct CprTransfer {
    VM *old;
    const char *sock;
    const char *cpr;
} CprTransfer;

/* Tries until the new QEMU, which is being started meanwhile, listens */
static void *start_cpr_transfer(void *opaque)
{
    CprTransfer *t = opaque;
    bool failed;

    qtest_qmp_assert_success(
        t->old->qts, "{ 'execute': 'migrate-set-parameters',"
        "'arguments': { 'mode': 'cpr-transfer' } }");
    do {
        g_autoptr(QDict) rsp = qtest_qmp(
            t->old->qts, "{ 'execute': 'migrate', 'arguments': { 'channels': ["
            "{ 'channel-type': 'main', 'addr': { 'transport': 'socket',"
            "  'type': 'unix', 'path': %s } },"
            "{ 'channel-type': 'cpr', 'addr': { 'transport': 'socket',"
            "  'type': 'unix', 'path': %s } } ] } }", t->sock, t->cpr);

        failed = qdict_haskey(rsp, "error");
        if (failed) {
            g_usleep(1000);
        }
    } while (failed);
    return NULL;
}

static void vm_wait_running(VM *vm)
{
    bool running;

    do {
        g_autoptr(QDict) status = qtest_qmp_assert_success_ref(
            vm->qts, "{ 'execute': 'query-status' }");

        running = qdict_get_bool(status, "running");
        if (!running) {
            g_usleep(1000);
        }
    } while (!running);
}

/*
 * In a cpr-transfer the new QEMU starts while the old one still runs the guest,
 * and maps the same memory.  The page must not be in it.
 */
static void test_cpr_transfer(const void *guid)
{
    const char *machine = "pc,aux-ram-share=on,memory-backend=m";
    const char *memory = "-object memory-backend-memfd,id=m,size=16M,share=on";
    bool same = !strcmp(guid, GUID_A);
    g_autofree char *sock = tmp_path("sock");
    g_autofree char *cpr = tmp_path("cpr");
    g_autofree char *args = g_strdup_printf(
        "-machine %s %s -m 16 -nodefaults -incoming unix:%s "
        "-incoming cpr,addr.transport=socket,addr.type=unix,addr.path=%s "
        "-device vmgenid,counter=on,guid=%s",
        machine, memory, sock, cpr, (const char *)guid);
    VM *old = vm_start(machine, "%s -device vmgenid,counter=on,generation=3,"
                       "guid=" GUID_A, memory);
    VM new = { .guid_page = old->guid_page, .gpe = old->gpe };
    CprTransfer transfer = { old, sock, cpr };
    GThread *thread;

    vm_run_firmware(old);
    /* The new one opens its monitor when the old one has said what to map */
    thread = g_thread_new("cpr", start_cpr_transfer, &transfer);
    new.qts = qtest_init(args);
    g_thread_join(thread);
    vm_wait_running(&new);

    assert_generation(&new, same ? 3 : 4);
    g_assert_cmpint(vm_take_notify(&new), ==, !same);
    assert_guid(vm_guest_guid(&new), guid);
    assert_generation(old, 3);
    qtest_quit(new.qts);
    vm_quit(old);
    unlink(sock);
    unlink(cpr);
}

/*** Streams that lie ***/

/* Change the stream at, or cut it off after, an offset in the subsection */
static void damage_stream(size_t offset, const void *data, size_t len)
{
    g_autofree char *path = stream_path();
    g_autofree char *stream = NULL;
    char *subsection;
    size_t size;

    g_assert_true(g_file_get_contents(path, &stream, &size, NULL));
    subsection = find_bytes(stream, size, SUBSECTION, sizeof(SUBSECTION) - 1);
    g_assert_nonnull(subsection);
    if (data) {
        memcpy(subsection + offset, data, len);
    } else {
        size = subsection + offset - stream;
    }
    g_assert_true(g_file_set_contents(path, stream, size, NULL));
}

typedef struct DamageTest {
    const char *name;
    size_t offset;
    const void *data;   /* NULL: cut off */
    size_t len;
} DamageTest;

static const DamageTest damage_tests[] = {
    { "generation-zero", SUBSECTION_GENERATION,
      "\x00\x00\x00\x00\x00\x00\x00\x00", 8 },
    { "generation-max", SUBSECTION_GENERATION,
      "\xff\xff\xff\xff\xff\xff\xff\xff", 8 },
    { "version", SUBSECTION_VERSION + 3, "\x02", 1 },
    { "name", SUBSECTION_VERSION - 1, "R", 1 },
    { "name-of-section", 2, "w", 1 },
    { "mark", 0, "\x04", 1 },
    { "length", 1, "\x0e", 1 },
    { "cut-off/before", 0 },
    { "cut-off/name", 5 },
    { "cut-off/generation", SUBSECTION_GENERATION + 3 },
    { "cut-off/guid", SUBSECTION_GUID + 7 },
};

static void test_damaged(const void *opaque)
{
    const DamageTest *t = opaque;
    g_autofree char *path = stream_path();
    IncomingTest refused = { .target = "counter=on,guid=" GUID_A };

    save_stream("pc", "vmgenid,counter=on,guid=" GUID_A);
    damage_stream(t->offset, t->data, t->len);
    check_incoming("pc", &refused);
    unlink(path);
}

static void add_tests(void)
{
    size_t i;

    qtest_add_data_func("/vmgenctr/cold-start/pc", "pc", test_cold_start);
    qtest_add_data_func("/vmgenctr/cold-start/q35", "q35", test_cold_start);
    qtest_add_func("/vmgenctr/floor", test_floor);
    qtest_add_func("/vmgenctr/floor/exhausted",
                   test_exhausted_floor_is_refused);
    qtest_add_func("/vmgenctr/floor/without-counter",
                   test_floor_without_counter_is_refused);
    qtest_add_func("/vmgenctr/paused-at-start", test_paused_at_start);
    qtest_add_func("/vmgenctr/page/rest-is-zero", test_rest_of_page_is_zero);
    qtest_add_func("/vmgenctr/page/write-is-dropped", test_write_is_dropped);
    if (qtest_has_accel("tcg")) {
        qtest_add_data_func("/vmgenctr/page/guest-write-is-dropped/tcg", "tcg",
                            test_guest_write_is_dropped);
    }
    if (g_test_slow() && qtest_has_accel("kvm")) {
        qtest_add_data_func("/vmgenctr/page/guest-write-is-dropped/kvm", "kvm",
                            test_guest_write_is_dropped);
    }
    qtest_add_func("/vmgenctr/page/reserved", test_page_is_reserved);
    qtest_add_func("/vmgenctr/monitor", test_monitor);
    qtest_add_func("/vmgenctr/reset", test_reset);
    qtest_add_func("/vmgenctr/stop-cont", test_stop_cont);

    for (i = 0; i < ARRAY_SIZE(ctra_tests); i++) {
        g_autofree char *path =
            g_strdup_printf("/vmgenctr/ctra/%s", ctra_tests[i].name);

        qtest_add_data_func(path, &ctra_tests[i], test_ctra);
    }
    for (i = 0; i < ARRAY_SIZE(incoming_tests); i++) {
        const IncomingTest *t = &incoming_tests[i];
        g_autofree char *pc =
            g_strdup_printf("/vmgenctr/incoming/pc/%s", t->name);
        g_autofree char *q35 =
            g_strdup_printf("/vmgenctr/incoming/q35/%s", t->name);

        qtest_add_data_func(pc, t, test_incoming_pc);
        qtest_add_data_func(q35, t, test_incoming_q35);
    }
    for (i = 0; i < ARRAY_SIZE(damage_tests); i++) {
        g_autofree char *path =
            g_strdup_printf("/vmgenctr/damaged/%s", damage_tests[i].name);

        qtest_add_data_func(path, &damage_tests[i], test_damaged);
    }
    qtest_add_func("/vmgenctr/incoming/clone-of-clone", test_clone_of_clone);
    qtest_add_func("/vmgenctr/incoming/paused", test_notify_while_paused);
    qtest_add_func("/vmgenctr/live-migration", test_live_migration);
    qtest_add_data_func("/vmgenctr/cpr-transfer/same-guid", GUID_A,
                        test_cpr_transfer);
    qtest_add_data_func("/vmgenctr/cpr-transfer/other-guid", GUID_B,
                        test_cpr_transfer);
}

static void add_snapshot_tests(void)
{
    qtest_add_data_func("/vmgenctr/loadvm/pc", "pc", test_loadvm);
    qtest_add_data_func("/vmgenctr/loadvm/q35", "q35", test_loadvm);
    qtest_add_func("/vmgenctr/loadvm/fixed-guid", test_loadvm_fixed_guid);
    qtest_add_func("/vmgenctr/loadvm/without-counter",
                   test_loadvm_without_counter);
    qtest_add_func("/vmgenctr/loadvm/older", test_loadvm_older);
    qtest_add_func("/vmgenctr/loadvm/at-start", test_loadvm_at_start);
    qtest_add_func("/vmgenctr/loadvm/then-reboot", test_loadvm_then_reboot);
    qtest_add_func("/vmgenctr/loadvm/failed", test_loadvm_failed);
    qtest_add_func("/vmgenctr/loadvm/snapshot-of-no-counter",
                   test_snapshot_of_no_counter);
    qtest_add_func("/vmgenctr/snapshot-load", test_snapshot_load_job);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    tmpdir = g_dir_make_tmp("vmgenctr-test-XXXXXX", NULL);
    g_assert_nonnull(tmpdir);

    add_tests();
    if (have_qemu_img()) {
        add_snapshot_tests();
    } else {
        g_test_message("QTEST_QEMU_IMG not set or qemu-img missing: "
                       "no snapshot tests");
    }
    ret = g_test_run();

    rmdir(tmpdir);
    g_free(tmpdir);
    return ret;
}
