/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest testcase for the generation counter of the vmgenid device
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/uuid.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/vmclock-abi.h"
#include "standard-headers/linux/vmgenctr.h"
#include "vmgen-util.h"

/* What the guest relies on, so it must not change */
#define COUNTER_ADDR    0xfeffa000
#define COUNTER_SIZE    4096
#define CLOCK_ADDR      0xfeffb000

/* In the stream: 5, length, name, version (32 bits), generation, GUID, check */
#define SUBSECTION              "\x05\x0fvmgenid/counter"
#define SUBSECTION_VERSION      (sizeof(SUBSECTION) - 1)
#define SUBSECTION_GENERATION   (SUBSECTION_VERSION + 4)
#define SUBSECTION_GUID         (SUBSECTION_GENERATION + 8)
#define SUBSECTION_CHECK        (SUBSECTION_GUID + 16)

/*** What the guest can see ***/

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
    return vm_take_event(vm, GPE_VMGENID);
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

/*
 * A vmclock device beside it has the same generation.  Whatever came of the
 * machine that was saved at its start, its clock is disrupted.
 */
static void assert_clock(VM *vm, uint64_t generation, bool disrupted)
{
    struct vmclock_abi clk;

    qtest_bufread(vm->qts, CLOCK_ADDR, &clk, sizeof(clk));
    g_assert_cmpuint(le64_to_cpu(clk.vm_generation_counter), ==, generation);
    g_assert_cmpint(le64_to_cpu(clk.disruption_marker) != 1, ==, disrupted);
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

static void test_guest_write_is_dropped(const void *accel)
{
    check_guest_writes(accel, "-device vmgenid,counter=on,generation=4711",
                       COUNTER_ADDR + offsetof(struct vmgenctr_generation_page,
                                               generation), 4711);
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

    g_assert_true(vm_has_aml(vm, "VM_Gen_Counter", 14));
    if (!vm_has_aml(vm, "CTRA", 4)) {
        return false;
    }
    g_assert_true(vm_has_aml(vm, ctra, sizeof(ctra) - 1));
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
    { "microvm/default", "microvm", "", true },
    { "microvm/off", "microvm", ",counter=off", false },
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

static void test_exhausted_floor_is_refused(void)
{
    g_autofree char *text =
        run_refused("pc", "vmgenid,counter=on,"
                          "generation=18446744073709551615");

    g_assert_nonnull(strstr(text, "generation must be at most"));
}

static void test_floor_without_counter_is_refused(void)
{
    g_autofree char *text =
        run_refused("pc", "vmgenid,counter=off,generation=2");

    g_assert_nonnull(strstr(text, "generation needs counter=on"));
}

static void test_machine_without_acpi_is_refused(const void *machine)
{
    g_autofree char *text = run_refused(machine, "vmgenid");

    g_assert_nonnull(strstr(text, "vmgenid needs a machine with ACPI"));
}

static void test_machine_without_fw_cfg_is_refused(void)
{
    g_autofree char *text = run_refused("none", "vmgenid");

    g_assert_nonnull(strstr(text, "which this machine type does not provide"));
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
        g_assert_false(vm_take_notify(vm)); /* the next reset would hide it */
        qtest_system_reset(vm->qts);
        assert_generation(vm, 1);
    }
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

/* When the load stops half way, memory may be the snapshot's already */
static void test_loadvm_failed(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK "-device vmcoreinfo "
                      "-device vmgenid,counter=on", disk);

    vm_hmp(vm, "savevm s");
    vm_quit(vm);
    /* The device that is missing here comes after the memory, before ours */
    vm = vm_start("pc", DISK "-device vmgenid,counter=on", disk);
    vm_loadvm_fails(vm, "s");
    assert_generation(vm, 2);
    vm_cannot_run(vm);
    vm_quit(vm);
    unlink(disk);
}

/* Nothing was loaded, so this is no restore */
static void test_loadvm_missing(void)
{
    g_autofree char *disk = create_disk();
    g_autofree char *error = NULL;
    VM *vm = vm_start("pc", DISK "-device vmgenid,counter=on", disk);

    error = vm_snapshot(vm, "loadvm");
    g_assert_nonnull(strstr(error, "does not exist"));
    assert_generation(vm, 1);
    g_assert_true(vm_is_running(vm));
    vm_quit(vm);
    unlink(disk);
}

/*
 * A snapshot "s" of generation 2 that does not load where there is no
 * vmcoreinfo: its section comes after the memory, and before our device's.
 */
static void save_unloadable(const char *disk)
{
    VM *vm = vm_start("pc", DISK_FOR_JOBS "-device vmcoreinfo "
                      "-device vmgenid,counter=on,guid=" GUID_A, disk);

    vm_hmp(vm, "savevm first");
    vm_hmp(vm, "loadvm first");
    vm_hmp(vm, "savevm s");
    vm_quit(vm);
}

static void fail_to_load(VM *vm, const char *command)
{
    g_autofree char *error = vm_snapshot(vm, command);

    g_assert_nonnull(error);
}

/*
 * What is in memory has run in generation 2 already, and nothing that was
 * loaded has said so: it must not run in that which comes next here.
 */
static void test_failed_load_does_not_run(const void *command)
{
    g_autofree char *disk = create_disk();
    VM *vm;

    save_unloadable(disk);
    vm = vm_start("pc", DISK_FOR_JOBS "-device vmgenid,counter=on,guid=" GUID_A,
                  disk);
    vm_hmp(vm, "savevm whole");
    fail_to_load(vm, command);
    assert_generation(vm, 2);
    vm_cannot_run(vm);
    /* A reset makes another machine of it */
    qtest_system_reset(vm->qts);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'cont' }");
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'stop' }");
    fail_to_load(vm, command);
    vm_cannot_run(vm);
    /* And so does a load */
    vm_hmp(vm, "loadvm whole");
    assert_generation(vm, 4);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'cont' }");
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

static void test_snapshot_load_job(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK_FOR_JOBS "-device vmgenid,counter=on,"
                      "guid=auto", disk);
    QemuUUID last = vm_query_guid(vm);
    uint64_t i;

    vm_run_firmware(vm);
    vm_snapshot_job(vm, "snapshot-save");
    for (i = 2; i < 5; i++) {
        vm_snapshot_job(vm, "snapshot-load");
        assert_generation(vm, i);
        g_assert_true(vm_take_notify(vm));
        assert_guid_ne(vm_guest_guid(vm), last);
        last = vm_guest_guid(vm);
    }
    vm_quit(vm);
    unlink(disk);
}

/*** Streams, loaded into a new process ***/

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

static void test_incoming_microvm(const void *t)
{
    test_incoming("microvm", t);
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

/* xen-save-devices-state writes no description behind the state */
static void test_stream_without_description(void)
{
    const char *global = "-global migration.send-configuration=off";
    g_autofree char *path = stream_path();
    g_autofree char *uri = stream_uri();
    VM *vm = vm_start("pc", "%s -device vmgenid,counter=on,generation=5,"
                      "guid=" GUID_A, global);

    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'xen-save-devices-state', 'arguments': {"
        "'filename': %s, 'live': false } }", path);
    vm_quit(vm);
    vm = vm_start("pc", "%s -incoming defer -device vmgenid,counter=on,"
                  "guid=" GUID_A, global);
    g_assert_true(vm_load(vm, uri));
    assert_generation(vm, 5);
    vm_quit(vm);
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

#ifdef CONFIG_LINUX /* has memfd */
/*
 * In a cpr-transfer the new QEMU starts while the old one still runs the guest,
 * and maps the same memory.  The page must not be in it.
 */
static void test_cpr_transfer(const void *guid)
{
    bool same = !strcmp(guid, GUID_A);
    g_autofree char *device =
        g_strdup_printf("-device vmgenid,counter=on,guid=%s",
                        (const char *)guid);
    VM *old = vm_start(CPR_MACHINE, CPR_MEMORY "-device vmgenid,counter=on,"
                       "generation=3,guid=" GUID_A);
    VM *new;

    vm_run_firmware(old);
    new = vm_cpr_transfer(old, device);
    assert_generation(new, same ? 3 : 4);
    g_assert_cmpint(vm_take_notify(new), ==, !same);
    assert_guid(vm_guest_guid(new), guid);
    assert_generation(old, 3);
    vm_quit_successor(new);
    vm_quit(old);
}
#endif

/*** All other ways to move a machine, or to copy it ***/

typedef struct TransportTest {
    const char *name;
    const char *capabilities[2];
    bool file;              /* or else a socket */
    bool postcopy;
    bool userfaultfd;       /* which the host may refuse */
    const char *mode;
    const char *share;      /* of the target's memory, if it is a file */
} TransportTest;

static const TransportTest transport_tests[] = {
    { "multifd", { "multifd" } },
    { "postcopy", { "postcopy-ram" }, .postcopy = true, .userfaultfd = true },
    { "background-snapshot", { "background-snapshot" }, true,
      .userfaultfd = true },
    { "mapped-ram", { "mapped-ram" }, true },
    { "mapped-ram-multifd", { "mapped-ram", "multifd" }, true },
    { "template", { "x-ignore-shared" }, true, .share = "off" },
    { "cpr-reboot", { "x-ignore-shared" }, true, .mode = "cpr-reboot",
      .share = "on" },
};

static VM *transport_start(const TransportTest *t, const char *share,
                           const char *device)
{
    g_autofree char *memory = tmp_path("memory");

    if (!t->share) {
        return vm_start("q35", "-device vmclock -device vmgenid,%s", device);
    }
    return vm_start("q35,memory-backend=m", "-object memory-backend-file,id=m,"
                    "size=16M,mem-path=%s,share=%s "
                    "-device vmclock -device vmgenid,%s",
                    memory, share, device);
}

/* Returns whether the host can do it */
static bool transport_enable(const TransportTest *t, VM *vm)
{
    size_t i;

    for (i = 0; i < ARRAY_SIZE(t->capabilities) && t->capabilities[i]; i++) {
        if (!vm_enable(vm, t->capabilities[i])) {
            return false;
        }
    }
    if (t->mode) {
        qtest_qmp_assert_success(
            vm->qts, "{ 'execute': 'migrate-set-parameters',"
            "'arguments': { 'mode': %s } }", t->mode);
    }
    return true;
}

/* So slowly that it is not over before postcopy begins */
static void vm_migrate_postcopy(VM *vm, const char *uri)
{
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'migrate-set-parameters',"
        "'arguments': { 'max-bandwidth': 1000 } }");
    vm_migrate(vm, uri);
    qtest_qmp_assert_success(vm->qts,
                             "{ 'execute': 'migrate-start-postcopy' }");
    g_assert_true(vm_wait_status(vm, "postcopy-active"));
}

static void transport_move(const TransportTest *t, VM *from, VM *to)
{
    g_autofree char *sock = tmp_path("sock");
    g_autofree char *uri = t->file ? stream_uri() :
                                     g_strdup_printf("unix:%s", sock);

    if (t->file) {
        vm_save(from, uri);
        g_assert_true(vm_load(to, uri));
    } else {
        vm_listen(to, uri);
        if (t->postcopy) {
            vm_migrate_postcopy(from, uri);
        } else {
            vm_migrate(from, uri);
        }
        g_assert_true(vm_wait_migration(from));
        g_assert_true(vm_wait_migration(to));
    }
}

static void test_transport(const TransportTest *t, const char *guid)
{
    bool same = !strcmp(guid, GUID_A);
    g_autofree char *path = stream_path();
    g_autofree char *memory = tmp_path("memory");
    g_autofree char *device =
        g_strdup_printf("counter=on,guid=%s -incoming defer", guid);
    VM *from = transport_start(t, "on", "counter=on,generation=3,guid=" GUID_A);
    VM *to = transport_start(t, t->share, device);

    vm_run_firmware(from);
    if (transport_enable(t, from) && transport_enable(t, to)) {
        transport_move(t, from, to);
        assert_generation(to, same ? 3 : 4);
        assert_clock(to, same ? 3 : 4, true);
        g_assert_cmpint(vm_take_notify(to), ==, !same);
        assert_guid(vm_guest_guid(to), guid);
        /* The memory of a template is that of its clones, until they write */
        assert_generation(from, 3);
        assert_clock(from, 3, false);
        assert_guid(vm_guest_guid(from), t->mode ? guid : GUID_A);
    } else {
        g_assert_true(t->userfaultfd);
        g_test_skip("the host does not allow userfaultfd");
    }
    vm_quit(from);
    vm_quit(to);
    unlink(path);
    unlink(memory);
}

static void test_transport_same_guid(const void *t)
{
    test_transport(t, GUID_A);
}

static void test_transport_other_guid(const void *t)
{
    test_transport(t, GUID_B);
}

/*** Streams that lie ***/

typedef struct DamageTest {
    const char *name;
    size_t offset;
    const void *data;   /* NULL: cut off */
    size_t len;
} DamageTest;

static const DamageTest damage_tests[] = {
    { "generation", SUBSECTION_GENERATION + 7, "\x03", 1 },
    { "guid", SUBSECTION_GUID, "\x33", 1 },
    { "check", SUBSECTION_CHECK, "\x00\x00\x00\x00", 4 },
    { "version", SUBSECTION_VERSION + 3, "\x02", 1 },
    { "name", SUBSECTION_VERSION - 1, "R", 1 },
    { "name-of-section", 2, "w", 1 },
    { "mark", 0, "\x04", 1 },
    { "length", 1, "\x0e", 1 },
    { "cut-off/before", 0 },
    { "cut-off/name", 5 },
    { "cut-off/generation", SUBSECTION_GENERATION + 3 },
    { "cut-off/guid", SUBSECTION_GUID + 7 },
    { "cut-off/check", SUBSECTION_CHECK + 3 },
};

static void test_damaged(const void *opaque)
{
    const DamageTest *t = opaque;
    g_autofree char *path = stream_path();
    IncomingTest refused = { .target = "counter=on,guid=" GUID_A };

    save_stream("pc", "vmgenid,counter=on,guid=" GUID_A);
    damage_stream(SUBSECTION, t->offset, t->data, t->len);
    check_incoming("pc", &refused);
    unlink(path);
}

/* The device's section: 4, number, length and name, fields, 0x7e, number */
static char *find_section(char *stream, size_t size, const char *name,
                          size_t *len)
{
    char *start = find_bytes(stream, size, name, strlen(name)) - 5;
    char footer[5] = { 0x7e };

    g_assert_cmphex(start[0], ==, 4);
    memcpy(footer + 1, start + 1, 4);
    *len = find_bytes(start, stream + size - start, footer, sizeof(footer)) +
           sizeof(footer) - start;
    g_assert_cmpuint(*len, <, 256);
    return start;
}

static void flip_in_stream(size_t offset, uint8_t bits)
{
    g_autofree char *path = stream_path();
    FILE *file = fopen(path, "r+b");
    int byte;

    g_assert_nonnull(file);
    g_assert_cmpint(fseek(file, offset, SEEK_SET), ==, 0);
    byte = fgetc(file);
    g_assert_cmpint(fseek(file, offset, SEEK_SET), ==, 0);
    g_assert_cmpint(fputc(byte ^ bits, file), !=, EOF);
    g_assert_cmpint(fclose(file), ==, 0);
}

/*
 * Saved in generation 5: a load fails, or it is a restore that the guest sees.
 * With the GUID of the source it may be the machine that was saved as well.
 */
static bool load_flipped(size_t offset, uint8_t bits, const char *guid)
{
    g_autofree char *uri = stream_uri();
    VM *vm = vm_start("pc", "-incoming defer -device vmgenid,counter=on,"
                      "guid=%s -device vmclock", guid);
    bool loaded, moved;

    flip_in_stream(offset, bits);
    loaded = vm_load(vm, uri);
    if (loaded) {
        moved = !strcmp(guid, GUID_A) && vm_generation(vm) == 5;
        assert_generation(vm, moved ? 5 : 6);
        assert_clock(vm, moved ? 5 : 6, true);
        g_assert_cmpint(vm_take_notify(vm), ==, !moved);
        assert_guid(vm_guest_guid(vm), guid);
    }
    flip_in_stream(offset, bits);
    vm_quit(vm);
    return loaded;
}

static char *save_to_flip(size_t *size)
{
    g_autofree char *path = stream_path();
    char *stream;

    save_stream("pc", "vmgenid,counter=on,generation=5,guid=" GUID_A
                " -device vmclock");
    g_assert_true(g_file_get_contents(path, &stream, size, NULL));
    return stream;
}

typedef struct FlipTest {
    const char *name;
    const char *section;
    const char *guid;
} FlipTest;

static const FlipTest flip_tests[] = {
    { "vmgenid/same-guid", "\x07vmgenid", GUID_A },
    { "vmgenid/other-guid", "\x07vmgenid", GUID_B },
    { "vmclock/same-guid", "\x07vmclock", GUID_A },
    { "vmclock/other-guid", "\x07vmclock", GUID_B },
};

/* Every byte of a section; in quick mode not every bit */
static void test_flipped(const void *opaque)
{
    const FlipTest *t = opaque;
    size_t size, len, i;
    g_autofree char *path = stream_path();
    g_autofree char *stream = save_to_flip(&size);
    size_t start = find_section(stream, size, t->section, &len) - stream;
    int bit;

    for (i = 0; i < len; i++) {
        for (bit = g_test_slow() ? 0 : i % 4; bit < 8;
             bit += g_test_slow() ? 1 : 4) {
            load_flipped(start + i, 1 << bit, t->guid);
        }
    }
    g_assert_true(load_flipped(0, 0, t->guid));
    unlink(path);
}

/* A section begins with 4; 0 is the end of all: what follows would be lost */
static void test_flipped_end(void)
{
    size_t size, i;
    g_autofree char *path = stream_path();
    g_autofree char *stream = save_to_flip(&size);
    int sections = 0;

    for (i = 5; i < size; i++) {
        if (stream[i] == 4 && stream[i - 5] == 0x7e && !stream[i - 4] &&
            !stream[i - 3]) {
            g_assert_false(load_flipped(i, 4, GUID_A));
            sections++;
        }
    }
    g_assert_cmpint(sections, >, 10);
    unlink(path);
}

static void add_tests(void)
{
    bool microvm = qtest_has_machine("microvm");
    size_t i;

    qtest_add_data_func("/vmgenctr/cold-start/pc", "pc", test_cold_start);
    qtest_add_data_func("/vmgenctr/cold-start/q35", "q35", test_cold_start);
    if (microvm) {
        qtest_add_data_func("/vmgenctr/cold-start/microvm", "microvm",
                            test_cold_start);
    }
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
    qtest_add_data_func("/vmgenctr/page/guest-write-is-dropped/kvm", "kvm",
                        test_guest_write_is_dropped);
    qtest_add_func("/vmgenctr/page/reserved", test_page_is_reserved);
    qtest_add_data_func("/vmgenctr/no-acpi/pc", "pc,acpi=off",
                        test_machine_without_acpi_is_refused);
    qtest_add_data_func("/vmgenctr/no-acpi/q35", "q35,acpi=off",
                        test_machine_without_acpi_is_refused);
    if (microvm) {
        qtest_add_data_func("/vmgenctr/no-acpi/microvm", "microvm,acpi=off",
                            test_machine_without_acpi_is_refused);
    }
    qtest_add_func("/vmgenctr/no-machine",
                   test_machine_without_fw_cfg_is_refused);
    qtest_add_func("/vmgenctr/monitor", test_monitor);
    qtest_add_func("/vmgenctr/reset", test_reset);
    qtest_add_func("/vmgenctr/stop-cont", test_stop_cont);

    for (i = 0; i < ARRAY_SIZE(ctra_tests); i++) {
        g_autofree char *path =
            g_strdup_printf("/vmgenctr/ctra/%s", ctra_tests[i].name);

        if (qtest_has_machine(ctra_tests[i].machine)) {
            qtest_add_data_func(path, &ctra_tests[i], test_ctra);
        }
    }
    for (i = 0; i < ARRAY_SIZE(incoming_tests); i++) {
        const IncomingTest *t = &incoming_tests[i];
        g_autofree char *pc =
            g_strdup_printf("/vmgenctr/incoming/pc/%s", t->name);
        g_autofree char *q35 =
            g_strdup_printf("/vmgenctr/incoming/q35/%s", t->name);
        g_autofree char *path =
            g_strdup_printf("/vmgenctr/incoming/microvm/%s", t->name);

        qtest_add_data_func(pc, t, test_incoming_pc);
        qtest_add_data_func(q35, t, test_incoming_q35);
        if (microvm) {
            qtest_add_data_func(path, t, test_incoming_microvm);
        }
    }
    for (i = 0; i < ARRAY_SIZE(damage_tests); i++) {
        g_autofree char *path =
            g_strdup_printf("/vmgenctr/damaged/%s", damage_tests[i].name);

        qtest_add_data_func(path, &damage_tests[i], test_damaged);
    }
    for (i = 0; i < ARRAY_SIZE(flip_tests); i++) {
        g_autofree char *path =
            g_strdup_printf("/vmgenctr/flipped/%s", flip_tests[i].name);

        qtest_add_data_func(path, &flip_tests[i], test_flipped);
    }
    qtest_add_func("/vmgenctr/flipped/end", test_flipped_end);
    for (i = 0; i < ARRAY_SIZE(transport_tests); i++) {
        const TransportTest *t = &transport_tests[i];
        g_autofree char *same =
            g_strdup_printf("/vmgenctr/transport/%s/same-guid", t->name);
        g_autofree char *other =
            g_strdup_printf("/vmgenctr/transport/%s/other-guid", t->name);

        qtest_add_data_func(same, t, test_transport_same_guid);
        qtest_add_data_func(other, t, test_transport_other_guid);
    }
    qtest_add_func("/vmgenctr/incoming/clone-of-clone", test_clone_of_clone);
    qtest_add_func("/vmgenctr/incoming/no-description",
                   test_stream_without_description);
    qtest_add_func("/vmgenctr/incoming/paused", test_notify_while_paused);
    qtest_add_func("/vmgenctr/live-migration", test_live_migration);
#ifdef CONFIG_LINUX
    qtest_add_data_func("/vmgenctr/cpr-transfer/same-guid", GUID_A,
                        test_cpr_transfer);
    qtest_add_data_func("/vmgenctr/cpr-transfer/other-guid", GUID_B,
                        test_cpr_transfer);
#endif
}

static void add_snapshot_tests(void)
{
    qtest_add_data_func("/vmgenctr/loadvm/pc", "pc", test_loadvm);
    qtest_add_data_func("/vmgenctr/loadvm/q35", "q35", test_loadvm);
    if (qtest_has_machine("microvm")) {
        qtest_add_data_func("/vmgenctr/loadvm/microvm", "microvm", test_loadvm);
    }
    qtest_add_func("/vmgenctr/loadvm/fixed-guid", test_loadvm_fixed_guid);
    qtest_add_func("/vmgenctr/loadvm/without-counter",
                   test_loadvm_without_counter);
    qtest_add_func("/vmgenctr/loadvm/older", test_loadvm_older);
    qtest_add_func("/vmgenctr/loadvm/at-start", test_loadvm_at_start);
    qtest_add_func("/vmgenctr/loadvm/then-reboot", test_loadvm_then_reboot);
    qtest_add_func("/vmgenctr/loadvm/failed", test_loadvm_failed);
    qtest_add_func("/vmgenctr/loadvm/missing", test_loadvm_missing);
    qtest_add_data_func("/vmgenctr/loadvm/failed/does-not-run", "loadvm",
                        test_failed_load_does_not_run);
    qtest_add_data_func("/vmgenctr/snapshot-load/failed/does-not-run",
                        "snapshot-load", test_failed_load_does_not_run);
    qtest_add_func("/vmgenctr/loadvm/snapshot-of-no-counter",
                   test_snapshot_of_no_counter);
    qtest_add_func("/vmgenctr/snapshot-load", test_snapshot_load_job);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    tmp_create();

    add_tests();
    if (have_qemu_img()) {
        add_snapshot_tests();
    } else {
        qtest_add_func("/vmgenctr/loadvm", test_without_qemu_img);
    }
    ret = g_test_run();

    tmp_remove();
    return ret;
}
