/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest testcase for the vmclock device, and that its generation counter and
 * that of the vmgenid device are one
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "standard-headers/linux/vmclock-abi.h"
#include "standard-headers/linux/vmgenctr.h"
#include "vmgen-util.h"

/* What the guest relies on, so it must not change */
#define CLOCK_ADDR      0xfeffb000
#define CLOCK_SIZE      4096
#define COUNTER_ADDR    0xfeffa000
#define GPE_VMCLOCK     8

#define COUNTER_FLAG    VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT
#define NOTIFY_FLAG     VMCLOCK_FLAG_NOTIFICATION_PRESENT

/* In the stream: 5, length, name, 32 bits of version, then the fields */
#define PAGE            "\x05\x0cvmclock/page"
#define PAGE_VERSION    (sizeof(PAGE) - 1)
#define PAGE_SEQ_COUNT  (PAGE_VERSION + 4)
#define PAGE_MARKER     (PAGE_SEQ_COUNT + 4)
#define PAGE_CHECK      (PAGE_MARKER + 8)
#define FLAGS           "\x05\x0dvmclock/flags"
#define FLAGS_VERSION   (sizeof(FLAGS) - 1)
#define FLAGS_FLAGS     (FLAGS_VERSION + 4)

/* Either device may be the first in the stream */
#define BOTH(vmgenid, vmclock) \
    "-device vmgenid," vmgenid " -device vmclock" vmclock
#define SWAP(vmgenid, vmclock) \
    "-device vmclock" vmclock " -device vmgenid," vmgenid

/*** What the guest can see ***/

/* All fields, in the byte order of the host */
static struct vmclock_abi vm_clock(VM *vm)
{
    struct vmclock_abi clk;

    qtest_bufread(vm->qts, CLOCK_ADDR, &clk, sizeof(clk));
    g_assert_cmphex(le32_to_cpu(clk.magic), ==, VMCLOCK_MAGIC);
    g_assert_cmpuint(le32_to_cpu(clk.size), ==, CLOCK_SIZE);
    g_assert_cmpuint(le16_to_cpu(clk.version), ==, 1);
    g_assert_cmphex(clk.counter_id, ==, VMCLOCK_COUNTER_INVALID);
    g_assert_cmpuint(clk.clock_status, ==, VMCLOCK_STATUS_UNKNOWN);
    clk.seq_count = le32_to_cpu(clk.seq_count);
    clk.disruption_marker = le64_to_cpu(clk.disruption_marker);
    clk.flags = le64_to_cpu(clk.flags);
    clk.vm_generation_counter = le64_to_cpu(clk.vm_generation_counter);
    g_assert_cmpuint(clk.seq_count % 2, ==, 0);
    return clk;
}

static uint64_t vm_vmgenid_generation(VM *vm)
{
    return qtest_readq(vm->qts, COUNTER_ADDR +
                       offsetof(struct vmgenctr_generation_page, generation));
}

/* The guest is told the same by both devices, and so is the user */
static void assert_generation(VM *vm, uint64_t generation)
{
    g_autoptr(QDict) info = qtest_qmp_assert_success_ref(
        vm->qts, "{ 'execute': 'query-vm-generation-id' }");
    struct vmclock_abi clk = vm_clock(vm);

    g_assert_cmphex(clk.flags & COUNTER_FLAG, ==, COUNTER_FLAG);
    g_assert_cmpuint(clk.vm_generation_counter, ==, generation);
    g_assert_cmpuint(vm_vmgenid_generation(vm), ==, generation);
    g_assert_cmpuint(qdict_get_int(info, "generation"), ==, generation);
}

/* Whether the guest has been notified since the last call */
static bool vm_take_notify(VM *vm)
{
    return vm_take_event(vm, GPE_VMCLOCK);
}

/*** The page and its description ***/

typedef struct OfferTest {
    const char *name;
    const char *machine;
    const char *devices;
    uint64_t flags;
} OfferTest;

static const OfferTest offer_tests[] = {
    { "pc", "pc", BOTH("counter=on", ""), COUNTER_FLAG | NOTIFY_FLAG },
    { "q35", "q35", SWAP("counter=on", ""), COUNTER_FLAG | NOTIFY_FLAG },
    { "default", "pc", "-device vmgenid -device vmclock",
      COUNTER_FLAG | NOTIFY_FLAG },
    { "on", "pc", SWAP("counter=on", ",vm-generation-counter=on"),
      COUNTER_FLAG | NOTIFY_FLAG },
    { "off", "pc", BOTH("counter=on", ",vm-generation-counter=off"),
      NOTIFY_FLAG },
    { "alone", "pc", "-device vmclock", NOTIFY_FLAG },
    { "vmgenid-without-counter", "pc", BOTH("counter=off", ""), NOTIFY_FLAG },
    { "no-notification", "pc", BOTH("counter=on", ",notification=off"),
      COUNTER_FLAG },
    { "old-machine/pc", "pc-i440fx-9.2", "-device vmclock", 0 },
    { "old-machine/q35", "pc-q35-9.2", BOTH("counter=on", ""), 0 },
    { "old-machine/on", "pc-q35-9.2",
      BOTH("counter=on", ",x-migrate-page=off,notification=on"),
      COUNTER_FLAG | NOTIFY_FLAG },
};

static bool vm_has_e08(VM *vm)
{
    static const char e08[] =
        "_E08" "\x00"               /* no arguments */
        "\x86"                      /* Notify */
        "\x5c\x2e_SB_VCLK"          /* \_SB.VCLK */
        "\x0a\x80";                 /* 0x80 */

    if (!vm_has_aml(vm, "_E08", 4)) {
        return false;
    }
    g_assert_true(vm_has_aml(vm, e08, sizeof(e08) - 1));
    return true;
}

static void test_offer(const void *opaque)
{
    const OfferTest *t = opaque;
    VM *vm = vm_start(t->machine, "%s", t->devices);
    struct vmclock_abi clk = vm_clock(vm);

    g_assert_cmphex(clk.flags, ==, t->flags);
    g_assert_cmpuint(clk.vm_generation_counter, ==,
                     t->flags & COUNTER_FLAG ? 1 : 0);
    g_assert_cmpuint(clk.disruption_marker, ==, 1);
    g_assert_true(vm_has_aml(vm, "AMZNC10C", 8));
    g_assert_cmpint(vm_has_e08(vm), ==, (t->flags & NOTIFY_FLAG) != 0);
    g_assert_false(vm_take_notify(vm));
    vm_quit(vm);
}

/* No instruction has run yet with -S, and the page is complete */
static void test_paused_at_start(void)
{
    VM *vm = vm_start("pc", "-S " SWAP("counter=on,generation=4711", ""));

    assert_generation(vm, 4711);
    vm_quit(vm);
}

static void test_rest_of_page_is_zero(void)
{
    VM *vm = vm_start("pc", BOTH("counter=on,guid=" GUID_A, ""));
    uint8_t page[CLOCK_SIZE];
    size_t i;

    qtest_bufread(vm->qts, CLOCK_ADDR, page, sizeof(page));
    for (i = sizeof(struct vmclock_abi); i < sizeof(page); i++) {
        g_assert_cmphex(page[i], ==, 0);
    }
    vm_quit(vm);
}

static void test_write_is_dropped(const void *machine)
{
    VM *vm = vm_start(machine, "-device vmclock");
    uint8_t before[CLOCK_SIZE], after[CLOCK_SIZE];
    uint64_t i;

    qtest_bufread(vm->qts, CLOCK_ADDR, before, sizeof(before));
    for (i = 0; i < CLOCK_SIZE; i += 8) {
        qtest_writeq(vm->qts, CLOCK_ADDR + i, -1);
    }
    qtest_bufread(vm->qts, CLOCK_ADDR, after, sizeof(after));
    g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
    vm_quit(vm);
}

static void test_guest_write_is_dropped(const void *accel)
{
    check_guest_writes(accel, BOTH("counter=on,generation=4711", ""),
                       CLOCK_ADDR + offsetof(struct vmclock_abi,
                                             vm_generation_counter), 4711);
}

static void test_counter_without_vmgenid_is_refused(void)
{
    g_autofree char *text = run_refused("pc",
                                        "vmclock,vm-generation-counter=on");

    g_assert_nonnull(strstr(text, "needs a vmgenid device"));
}

static void test_counter_in_migrated_page_is_refused(void)
{
    g_autofree char *text = run_refused("pc", "vmclock,x-migrate-page=on,"
                                              "vm-generation-counter=on");

    g_assert_nonnull(strstr(text, "needs x-migrate-page=off"));
}

static void test_undescribed_is_refused(const void *machine)
{
    g_autofree char *text = run_refused(machine, "vmclock");

    g_assert_nonnull(strstr(text, "vmclock needs a PC machine with ACPI"));
}

/*** Machine types ***/

static bool has_compat(QDict *machine, const char *device, const char *property,
                       const char *value)
{
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(machine, "compat-props"), entry) {
        QDict *prop = qobject_to(QDict, qlist_entry_obj(entry));

        if (!strcmp(qdict_get_str(prop, "qom-type"), device) &&
            !strcmp(qdict_get_str(prop, "property"), property)) {
            return !strcmp(qdict_get_str(prop, "value"), value);
        }
    }
    return false;
}

/*
 * Of each kind, the one with the short name is this release's own.  Those
 * before it have been released without the counter.
 */
static void test_released_machines(void)
{
    QTestState *qts = qtest_init("-machine none");
    g_autoptr(QDict) rsp = qtest_qmp(
        qts, "{ 'execute': 'query-machines',"
        "'arguments': { 'compat-props': true } }");
    QListEntry *entry;
    int own = 0, released = 0;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(rsp, "return"), entry) {
        QDict *machine = qobject_to(QDict, qlist_entry_obj(entry));
        const char *name = qdict_get_str(machine, "name");
        bool old = !qdict_haskey(machine, "alias");

        if (!g_str_has_prefix(name, "pc-")) {
            continue;
        }
        g_test_message("%s", name);
        g_assert_cmpint(has_compat(machine, "vmgenid", "counter", "off"),
                        ==, old);
        g_assert_cmpint(has_compat(machine, "vmclock", "x-migrate-page", "on"),
                        ==, old);
        g_assert_cmpint(has_compat(machine, "vmclock", "notification", "off"),
                        ==, old);
        own += !old;
        released += old;
    }
    g_assert_cmpint(own, ==, 2);
    g_assert_cmpint(released, >, 10);
    qtest_quit(qts);
}

/*** Events that are no restore: nothing in the page changes ***/

static void assert_same_page(VM *vm, const struct vmclock_abi *before)
{
    struct vmclock_abi clk = vm_clock(vm);

    g_assert_cmpmem(&clk, sizeof(clk), before, sizeof(*before));
    g_assert_false(vm_take_notify(vm));
}

static void test_reset(void)
{
    VM *vm = vm_start("pc", BOTH("counter=on,generation=3", ""));
    struct vmclock_abi clk = vm_clock(vm);
    int i;

    for (i = 0; i < 3; i++) {
        qtest_system_reset(vm->qts);
        assert_generation(vm, 3);
        assert_same_page(vm, &clk);
    }
    vm_quit(vm);
}

static void test_stop_cont(void)
{
    VM *vm = vm_start("pc", BOTH("counter=on,generation=3", ""));
    struct vmclock_abi clk = vm_clock(vm);

    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'stop' }");
    assert_same_page(vm, &clk);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'cont' }");
    assert_generation(vm, 3);
    assert_same_page(vm, &clk);
    vm_quit(vm);
}

/*** Snapshots, loaded in place ***/

/* Something has changed since the guest was saved with this page */
static void assert_disrupted(VM *vm, const struct vmclock_abi *saved)
{
    struct vmclock_abi clk = vm_clock(vm);

    g_assert_cmpuint(clk.disruption_marker, !=, saved->disruption_marker);
    g_assert_cmpuint(clk.seq_count, !=, saved->seq_count);
    g_assert_true(vm_take_notify(vm));
}

typedef struct PlaceTest {
    const char *name;
    const char *machine;
    const char *devices;
} PlaceTest;

static const PlaceTest place_tests[] = {
    { "pc", "pc", BOTH("counter=on", "") },
    { "q35", "q35", BOTH("counter=on", "") },
    { "vmclock-first", "pc", SWAP("counter=on", "") },
    { "fixed-guid", "pc", SWAP("counter=on,guid=" GUID_A, "") },
};

static void test_loadvm(const void *opaque)
{
    const PlaceTest *t = opaque;
    g_autofree char *disk = create_disk();
    VM *vm = vm_start(t->machine, DISK "%s", disk, t->devices);
    struct vmclock_abi clk = vm_clock(vm);
    uint64_t i;

    vm_run_firmware(vm);
    vm_hmp(vm, "savevm s");
    assert_generation(vm, 1);
    assert_same_page(vm, &clk);
    for (i = 2; i < 6; i++) {
        vm_hmp(vm, "loadvm s");
        assert_generation(vm, i);
        assert_disrupted(vm, &clk);
        g_assert_true(vm_take_event(vm, GPE_VMGENID));
    }
    vm_quit(vm);
    unlink(disk);
}

/* Snapshots of different age, back and forth */
static void test_loadvm_older(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK SWAP("counter=on", ""), disk);
    struct vmclock_abi one = vm_clock(vm), two;

    vm_hmp(vm, "savevm one");
    vm_hmp(vm, "loadvm one");
    vm_take_notify(vm);
    two = vm_clock(vm);
    vm_hmp(vm, "savevm two");
    vm_hmp(vm, "loadvm one");
    assert_generation(vm, 3);
    assert_disrupted(vm, &one);
    vm_hmp(vm, "loadvm two");
    assert_generation(vm, 4);
    assert_disrupted(vm, &two);
    vm_quit(vm);
    unlink(disk);
}

static void test_loadvm_at_start(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK BOTH("counter=on,generation=70,guid=" GUID_A,
                                      ""), disk);
    struct vmclock_abi clk = vm_clock(vm);

    vm_hmp(vm, "savevm s");
    vm_quit(vm);
    vm = vm_start("pc", DISK "-loadvm s " BOTH("counter=on,guid=" GUID_A, ""),
                  disk);
    assert_generation(vm, 71);
    assert_disrupted(vm, &clk);
    vm_quit(vm);
    unlink(disk);
}

/*
 * A load that stops half way: the memory is the snapshot's already, and the
 * device that is missing comes before, after or between the two.
 */
static const char *const failed_tests[] = {
    "-device vmcoreinfo " BOTH("counter=on", ""),
    BOTH("counter=on", "") " -device vmcoreinfo",
    "-device vmgenid,counter=on -device vmcoreinfo -device vmclock",
    "-device vmclock -device vmcoreinfo -device vmgenid,counter=on",
};

static void test_loadvm_failed(const void *devices)
{
    g_autofree char *disk = create_disk();
    struct vmclock_abi clk;
    VM *vm = vm_start("pc", DISK "%s", disk, (const char *)devices);

    clk = vm_clock(vm);
    vm_hmp(vm, "savevm s");
    vm_quit(vm);
    vm = vm_start("pc", DISK BOTH("counter=on", ""), disk);
    vm_loadvm_fails(vm, "s");
    assert_generation(vm, 2);
    g_assert_cmpuint(vm_clock(vm).seq_count, !=, clk.seq_count);
    vm_cannot_run(vm);
    vm_quit(vm);
    unlink(disk);
}

static void test_snapshot_of_no_counter(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DISK BOTH("counter=off", ""), disk);

    vm_hmp(vm, "savevm s");
    vm_quit(vm);
    vm = vm_start("pc", DISK BOTH("counter=on", ""), disk);
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
    VM *vm = vm_start("pc", DISK_FOR_JOBS SWAP("counter=on", ""), disk);
    struct vmclock_abi clk = vm_clock(vm);
    uint64_t i;

    vm_snapshot_job(vm, "snapshot-save");
    for (i = 2; i < 5; i++) {
        vm_snapshot_job(vm, "snapshot-load");
        assert_generation(vm, i);
        assert_disrupted(vm, &clk);
    }
    vm_quit(vm);
    unlink(disk);
}

/* What the machine types before the counter did, they still do */
static void test_loadvm_old_machine(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc-i440fx-9.2", DISK "-device vmclock", disk);
    struct vmclock_abi old = vm_clock(vm), new;
    int i;

    vm_hmp(vm, "savevm s");
    for (i = 0; i < 3; i++) {
        vm_hmp(vm, "loadvm s");
        new = vm_clock(vm);
        g_assert_cmpuint(new.disruption_marker, ==, old.disruption_marker + 1);
        g_assert_cmpuint(new.seq_count, ==, old.seq_count + 2);
        g_assert_cmphex(new.flags, ==, 0);
        g_assert_cmpuint(new.vm_generation_counter, ==, 0);
        g_assert_false(vm_take_notify(vm));
    }
    vm_quit(vm);
    unlink(disk);
}

/*** Streams, loaded into a new process ***/

/* Returns the page that the guest was saved with */
static struct vmclock_abi save_stream(const char *machine, const char *devices)
{
    g_autofree char *uri = stream_uri();
    VM *vm = vm_start(machine, "%s", devices);
    struct vmclock_abi clk = vm_clock(vm);

    vm_run_firmware(vm);
    vm_save(vm, uri);
    vm_quit(vm);
    return clk;
}

typedef struct IncomingTest {
    const char *name;
    const char *source;     /* vmgenid */
    const char *target;
    uint64_t generation;
    bool restore;           /* or else it is the same machine */
} IncomingTest;

static const IncomingTest incoming_tests[] = {
    { "same-guid", "counter=on,generation=5,guid=" GUID_A,
      "counter=on,guid=" GUID_A, 5, false },
    { "same-guid/floor-not-reached", "counter=on,generation=5,guid=" GUID_A,
      "counter=on,generation=9,guid=" GUID_A, 9, true },
    { "other-guid", "counter=on,generation=5,guid=" GUID_A,
      "counter=on,guid=" GUID_B, 6, true },
    { "auto-guid", "counter=on,generation=5,guid=" GUID_A,
      "counter=on,guid=auto", 6, true },
    { "source-without-counter", "counter=off,guid=" GUID_A,
      "counter=on,guid=" GUID_A, 2, true },
};

static void test_incoming(const char *machine, const char *format,
                          const IncomingTest *t)
{
    g_autofree char *path = stream_path();
    g_autofree char *uri = stream_uri();
    g_autofree char *source = g_strdup_printf(format, t->source);
    g_autofree char *target = g_strdup_printf(format, t->target);
    struct vmclock_abi clk = save_stream(machine, source);
    VM *vm = vm_start(machine, "-incoming defer %s", target);

    g_assert_true(vm_load(vm, uri));
    assert_generation(vm, t->generation);
    assert_disrupted(vm, &clk);
    g_assert_cmpint(vm_take_event(vm, GPE_VMGENID), ==, t->restore);
    vm_quit(vm);
    unlink(path);
}

static void test_incoming_pc(const void *t)
{
    test_incoming("pc", "-device vmgenid,%s -device vmclock", t);
}

static void test_incoming_q35(const void *t)
{
    test_incoming("q35", "-device vmclock -device vmgenid,%s", t);
}

/* The guest must not lose what it relies on */
typedef struct RefusedTest {
    const char *name;
    const char *source;
    const char *target;
} RefusedTest;

static const RefusedTest refused_tests[] = {
    { "counter-off", BOTH("counter=on", ""),
      BOTH("counter=on", ",vm-generation-counter=off") },
    { "vmgenid-counter-off", BOTH("counter=on", ""), BOTH("counter=off", "") },
    { "no-vmgenid", BOTH("counter=on", ""), "-device vmclock" },
    { "notification-off", "-device vmclock",
      "-device vmclock,notification=off" },
    { "notification-on", "-device vmclock,notification=off",
      "-device vmclock" },
    { "notification-on/counter", BOTH("counter=on", ",notification=off"),
      BOTH("counter=on", "") },
    { "page-in-stream", "-device vmclock,x-migrate-page=on",
      "-device vmclock" },
    { "page-not-in-stream", "-device vmclock",
      "-device vmclock,x-migrate-page=on" },
};

static void check_refused(const char *target)
{
    g_autofree char *uri = stream_uri();
    VM *vm = vm_start("pc", "-incoming defer %s", target);

    g_assert_false(vm_load(vm, uri));
    vm_quit(vm);
}

static void test_refused(const void *opaque)
{
    const RefusedTest *t = opaque;
    g_autofree char *path = stream_path();

    save_stream("pc", t->source);
    check_refused(t->target);
    unlink(path);
}

/* The interrupt, and not the event alone, reaches the guest */
static void test_interrupt(const void *machine)
{
    bool q35 = !strcmp(machine, "q35");
    g_autofree char *path = stream_path();
    g_autofree char *uri = stream_uri();
    VM *vm = vm_start(machine, BOTH("counter=on", ""));

    qtest_outb(vm->qts, vm->gpe + (q35 ? 8 : 2) + 1, 1);
    vm_save(vm, uri);
    vm_quit(vm);
    vm = vm_start(machine, "-S -incoming defer " BOTH("counter=on", ""));
    qtest_irq_intercept_in(vm->qts, "ioapic");
    g_assert_false(qtest_get_irq(vm->qts, 9));
    g_assert_true(vm_load(vm, uri));
    g_assert_true(qtest_get_irq(vm->qts, 9));
    g_assert_true(vm_take_notify(vm));
    g_assert_false(qtest_get_irq(vm->qts, 9));
    vm_quit(vm);
    unlink(path);
}

static void test_live_migration(void)
{
    g_autofree char *sock = tmp_path("sock");
    g_autofree char *uri = g_strdup_printf("unix:%s", sock);
    VM *from = vm_start("q35", SWAP("counter=on,generation=3,guid=" GUID_A,
                                    ""));
    VM *to = vm_start("q35", "-incoming %s "
                      SWAP("counter=on,guid=" GUID_A, ""), uri);
    struct vmclock_abi clk = vm_clock(from);

    vm_run_firmware(from);
    vm_save(from, uri);
    qtest_qmp_eventwait(to->qts, "RESUME");
    assert_generation(to, 3);
    assert_disrupted(to, &clk);
    g_assert_false(vm_take_event(to, GPE_VMGENID));
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
    g_autofree char *devices = g_strdup_printf(
        "-device vmclock -device vmgenid,counter=on,guid=%s",
        (const char *)guid);
    VM *old = vm_start(CPR_MACHINE, CPR_MEMORY
                       SWAP("counter=on,generation=3,guid=" GUID_A, ""));
    struct vmclock_abi clk = vm_clock(old);
    VM *new;

    vm_run_firmware(old);
    new = vm_cpr_transfer(old, devices);
    assert_generation(new, same ? 3 : 4);
    assert_disrupted(new, &clk);
    assert_generation(old, 3);
    assert_same_page(old, &clk);
    vm_quit_successor(new);
    vm_quit(old);
}
#endif

/* Machine types before the counter have the page in the stream */
static void test_incoming_old_machine(void)
{
    g_autofree char *path = stream_path();
    g_autofree char *uri = stream_uri();
    struct vmclock_abi old = save_stream("pc-q35-9.2", "-device vmclock"), new;
    VM *vm = vm_start("pc-q35-9.2", "-incoming defer -device vmclock");

    g_assert_true(vm_load(vm, uri));
    new = vm_clock(vm);
    g_assert_cmpuint(new.disruption_marker, ==, old.disruption_marker + 1);
    g_assert_cmpuint(new.seq_count, ==, old.seq_count + 2);
    g_assert_cmphex(new.flags, ==, 0);
    vm_quit(vm);
    unlink(path);
}

/*** Streams that lie ***/

typedef struct DamageTest {
    const char *name;
    const char *subsection;
    size_t offset;
    const void *data;   /* NULL: cut off */
    size_t len;
} DamageTest;

static const DamageTest damage_tests[] = {
    { "page/seq-count", PAGE, PAGE_SEQ_COUNT + 3, "\x06", 1 },
    { "page/marker", PAGE, PAGE_MARKER + 7, "\x00", 1 },
    { "page/check", PAGE, PAGE_CHECK, "\x00\x00\x00\x00", 4 },
    { "page/version", PAGE, PAGE_VERSION + 3, "\x02", 1 },
    { "page/name", PAGE, PAGE_VERSION - 1, "E", 1 },
    { "page/cut-off/before", PAGE, 0 },
    { "page/cut-off/seq-count", PAGE, PAGE_SEQ_COUNT + 2 },
    { "page/cut-off/marker", PAGE, PAGE_MARKER + 5 },
    { "page/cut-off/check", PAGE, PAGE_CHECK + 3 },
    { "flags/unknown", FLAGS, FLAGS_FLAGS, "\x80", 1 },
    { "flags/version", FLAGS, FLAGS_VERSION + 3, "\x02", 1 },
    { "flags/cut-off", FLAGS, FLAGS_FLAGS + 3 },
};

static void test_damaged(const void *opaque)
{
    const DamageTest *t = opaque;
    g_autofree char *path = stream_path();

    save_stream("pc", SWAP("counter=on", ""));
    damage_stream(t->subsection, t->offset, t->data, t->len);
    check_refused(SWAP("counter=on", ""));
    unlink(path);
}

/* Add a test for each element of a table, by its name */
#define ADD_TABLE(prefix, table, function)                                  \
    do {                                                                    \
        for (size_t n = 0; n < ARRAY_SIZE(table); n++) {                    \
            g_autofree char *path =                                         \
                g_strdup_printf("/vmclock/" prefix "/%s", (table)[n].name); \
                                                                            \
            qtest_add_data_func(path, &(table)[n], function);               \
        }                                                                   \
    } while (0)

static void add_tests(void)
{
    ADD_TABLE("offer", offer_tests, test_offer);
    qtest_add_func("/vmclock/offer/refused/no-vmgenid",
                   test_counter_without_vmgenid_is_refused);
    qtest_add_func("/vmclock/offer/refused/migrated-page",
                   test_counter_in_migrated_page_is_refused);
    qtest_add_data_func("/vmclock/offer/refused/no-acpi", "q35,acpi=off",
                        test_undescribed_is_refused);
    if (qtest_has_machine("microvm")) {
        qtest_add_data_func("/vmclock/offer/refused/microvm", "microvm",
                            test_undescribed_is_refused);
    }
    qtest_add_data_func("/vmclock/offer/refused/no-machine", "none",
                        test_undescribed_is_refused);
    qtest_add_func("/vmclock/paused-at-start", test_paused_at_start);
    qtest_add_func("/vmclock/page/rest-is-zero", test_rest_of_page_is_zero);
    qtest_add_data_func("/vmclock/page/write-is-dropped", "pc",
                        test_write_is_dropped);
    qtest_add_data_func("/vmclock/page/write-is-dropped/old-machine",
                        "pc-q35-9.2", test_write_is_dropped);
    if (qtest_has_accel("tcg")) {
        qtest_add_data_func("/vmclock/page/guest-write-is-dropped/tcg", "tcg",
                            test_guest_write_is_dropped);
    }
    qtest_add_data_func("/vmclock/page/guest-write-is-dropped/kvm", "kvm",
                        test_guest_write_is_dropped);
    qtest_add_func("/vmclock/released-machines", test_released_machines);
    qtest_add_func("/vmclock/reset", test_reset);
    qtest_add_func("/vmclock/stop-cont", test_stop_cont);

    ADD_TABLE("incoming/pc", incoming_tests, test_incoming_pc);
    ADD_TABLE("incoming/q35", incoming_tests, test_incoming_q35);
    ADD_TABLE("incoming/refused", refused_tests, test_refused);
    qtest_add_func("/vmclock/incoming/old-machine", test_incoming_old_machine);
    qtest_add_data_func("/vmclock/interrupt/pc", "pc", test_interrupt);
    qtest_add_data_func("/vmclock/interrupt/q35", "q35", test_interrupt);
    qtest_add_func("/vmclock/live-migration", test_live_migration);
#ifdef CONFIG_LINUX
    qtest_add_data_func("/vmclock/cpr-transfer/same-guid", GUID_A,
                        test_cpr_transfer);
    qtest_add_data_func("/vmclock/cpr-transfer/other-guid", GUID_B,
                        test_cpr_transfer);
#endif
    ADD_TABLE("damaged", damage_tests, test_damaged);
}

static void add_snapshot_tests(void)
{
    size_t i;

    ADD_TABLE("loadvm", place_tests, test_loadvm);
    qtest_add_func("/vmclock/loadvm/older", test_loadvm_older);
    qtest_add_func("/vmclock/loadvm/at-start", test_loadvm_at_start);
    for (i = 0; i < ARRAY_SIZE(failed_tests); i++) {
        g_autofree char *path =
            g_strdup_printf("/vmclock/loadvm/failed/%zu", i);

        qtest_add_data_func(path, failed_tests[i], test_loadvm_failed);
    }
    qtest_add_func("/vmclock/loadvm/snapshot-of-no-counter",
                   test_snapshot_of_no_counter);
    qtest_add_func("/vmclock/loadvm/old-machine", test_loadvm_old_machine);
    qtest_add_func("/vmclock/snapshot-load", test_snapshot_load_job);
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
        qtest_add_func("/vmclock/loadvm", test_without_qemu_img);
    }
    ret = g_test_run();
    tmp_remove();
    return ret;
}
