/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest testcase for machines of which no snapshot may be taken or loaded:
 * those that a snapshot was loaded into only in part, and those that move
 *
 * What such a machine runs, or what is made of its copies, could not be told
 * that it was restored.
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "qemu/sockets.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "vmgen-util.h"

#define DRIVE "-drive if=none,id=io,node-name=d,format=qcow2,file=%s "
#define DEVICE "-device vmgenid,counter=on,guid=" GUID_A " "

#define IN_PART "A snapshot was loaded only in part: " \
                "load one as a whole, or reset the machine"
#define IS_MOVING "There's a migration process in progress"
#define WAITS "Guest is waiting for an incoming migration"

static uint64_t vm_generation(VM *vm)
{
    g_autoptr(QDict) info = qtest_qmp_assert_success_ref(
        vm->qts, "{ 'execute': 'query-vm-generation-id' }");

    return qdict_get_int(info, "generation");
}

static void assert_status(VM *vm, const char *expected)
{
    g_autoptr(QDict) status = qtest_qmp_assert_success_ref(
        vm->qts, "{ 'execute': 'query-status' }");

    g_assert_cmpstr(qdict_get_str(status, "status"), ==, expected);
}

static void vm_cont(VM *vm)
{
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'cont' }");
    assert_status(vm, "running");
}

static void assert_has(const char *text, const char *expected)
{
    g_test_message("'%s' is expected in: %s", expected, text);
    g_assert_nonnull(text);
    g_assert_nonnull(strstr(text, expected));
}

/* Bytes per second, and milliseconds of downtime */
static void vm_set_speed(VM *vm, int64_t precopy, int64_t postcopy,
                         int downtime)
{
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'migrate-set-parameters', 'arguments': {"
        "'max-bandwidth': %" PRId64 ", 'max-postcopy-bandwidth': %" PRId64 ","
        "'downtime-limit': %d } }", precopy, postcopy, downtime);
}

static void vm_set_mode(VM *vm, const char *mode)
{
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'migrate-set-parameters',"
        "'arguments': { 'mode': %s } }", mode);
}

/*** A machine that a snapshot was loaded into in part ***/

/*
 * There are two snapshots: "whole", and "s", which does not load where there is
 * no vmcoreinfo, whose section comes after the memory.
 */
static VM *start_with_snapshots(const char *disk)
{
    VM *vm = vm_start("pc", DRIVE "-device vmcoreinfo " DEVICE, disk);

    vm_hmp(vm, "savevm s");
    vm_quit(vm);
    vm = vm_start("pc", DRIVE DEVICE, disk);
    vm_run_firmware(vm);
    vm_hmp(vm, "savevm whole");
    return vm;
}

static void assert_in_part(VM *vm)
{
    assert_status(vm, "internal-error");
    vm_cannot_run(vm);
}

static void load_in_part(VM *vm, const char *command)
{
    g_autofree char *error = vm_snapshot(vm, command);

    g_assert_nonnull(error);
    assert_in_part(vm);
}

/* The ways to save a machine, and what they need */
typedef struct SaveTest {
    const char *name;
    const char *snapshot;       /* the command, or else it is migrate */
    const char *capability;
    const char *mode;
    bool needs_more;            /* than this test has, to succeed */
} SaveTest;

static const SaveTest save_tests[] = {
    { "savevm", .snapshot = "savevm" },
    { "snapshot-save", .snapshot = "snapshot-save" },
    { "migrate" },
    { "background-snapshot", .capability = "background-snapshot" },
    { "multifd", .capability = "multifd", .needs_more = true },
    { "cpr-reboot", .mode = "cpr-reboot" },
    { "cpr-transfer", .mode = "cpr-transfer", .needs_more = true },
};

static char *try_migrate(VM *vm, const SaveTest *t)
{
    g_autofree char *sock = tmp_path("sock");
    g_autofree char *stream = stream_path();
    g_autoptr(QDict) rsp = NULL;
    QDict *error;

    if (t->needs_more) {
        rsp = qtest_qmp(
            vm->qts, "{ 'execute': 'migrate', 'arguments': { 'channels': ["
            "{ 'channel-type': 'main', 'addr': { 'transport': 'socket',"
            "  'type': 'unix', 'path': %s } },"
            "{ 'channel-type': 'cpr', 'addr': { 'transport': 'socket',"
            "  'type': 'unix', 'path': %s } } ] } }", sock, sock);
    } else {
        rsp = qtest_qmp(
            vm->qts, "{ 'execute': 'migrate', 'arguments': { 'channels': ["
            "{ 'channel-type': 'main', 'addr': { 'transport': 'file',"
            "  'filename': %s, 'offset': 0 } } ] } }", stream);
    }
    error = qdict_get_qdict(rsp, "error");
    return error ? g_strdup(qdict_get_str(error, "desc")) : NULL;
}

static char *try_save(VM *vm, const SaveTest *t)
{
    return t->snapshot ? vm_snapshot(vm, t->snapshot) : try_migrate(vm, t);
}

static void cannot_save(VM *vm, const SaveTest *t)
{
    g_autofree char *error = try_save(vm, t);

    assert_has(error, IN_PART);
    assert_in_part(vm);
}

/* What did not save a machine in part can save this one */
static void can_save(VM *vm, const SaveTest *t)
{
    g_autofree char *error = NULL;

    if (t->needs_more) {
        return;
    }
    vm_hmp(vm, "delvm s");
    error = try_save(vm, t);
    g_assert_cmpstr(error, ==, NULL);
    if (!t->snapshot) {
        g_assert_true(vm_wait_migration(vm));
    }
}

/* Returns whether the host can do it */
static bool prepare_to_save(VM *vm, const SaveTest *t)
{
    g_assert_true(vm_enable(vm, "events"));
    if (t->mode) {
        vm_set_mode(vm, t->mode);
    }
    return !t->capability || vm_enable(vm, t->capability);
}

static void test_not_saved(const void *opaque)
{
    const SaveTest *t = opaque;
    g_autofree char *disk = create_disk();
    g_autofree char *stream = stream_path();
    VM *vm = start_with_snapshots(disk);

    load_in_part(vm, "loadvm");
    if (prepare_to_save(vm, t)) {
        cannot_save(vm, t);
        cannot_save(vm, t);
        qtest_system_reset(vm->qts);
        vm_cont(vm);
        can_save(vm, t);
    } else {
        g_test_skip("the host does not allow userfaultfd");
    }
    vm_quit(vm);
    unlink(stream);
    unlink(disk);
}

static void test_not_saved_for_xen(void)
{
    g_autofree char *disk = create_disk();
    g_autofree char *stream = stream_path();
    VM *vm = start_with_snapshots(disk);
    g_autoptr(QDict) error = NULL;

    load_in_part(vm, "loadvm");
    error = qtest_qmp_assert_failure_ref(
        vm->qts, "{ 'execute': 'xen-save-devices-state', 'arguments': {"
        "'filename': %s, 'live': false } }", stream);
    assert_has(qdict_get_str(error, "desc"), IN_PART);
    assert_in_part(vm);
    g_assert_false(g_file_test(stream, G_FILE_TEST_EXISTS));
    vm_quit(vm);
    unlink(disk);
}

static void test_reason_is_shown(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = start_with_snapshots(disk);
    g_autoptr(QDict) info = NULL;
    QList *reasons;

    load_in_part(vm, "snapshot-load");
    info = qtest_qmp_assert_success_ref(vm->qts,
                                        "{ 'execute': 'query-migrate' }");
    reasons = qdict_get_qlist(info, "blocked-reasons");
    g_assert_nonnull(reasons);
    g_assert_cmpuint(qlist_size(reasons), ==, 1);
    assert_has(qstring_get_str(qobject_to(QString, qlist_peek(reasons))),
               IN_PART);
    vm_quit(vm);
    unlink(disk);
}

/* Neither another load that fails helps, nor one that finds nothing to load */
static void test_failed_again(const void *command)
{
    g_autofree char *disk = create_disk();
    VM *vm = start_with_snapshots(disk);
    int i;

    for (i = 0; i < 3; i++) {
        g_autofree char *text = NULL;

        load_in_part(vm, command);
        cannot_save(vm, &save_tests[0]);
        text = qtest_hmp(vm->qts, "loadvm missing");
        assert_has(text, "does not exist");
        cannot_save(vm, &save_tests[0]);
    }
    g_assert_cmpuint(vm_generation(vm), ==, 4);
    vm_quit(vm);
    unlink(disk);
}

/* All that a machine can do when nothing is the matter with it */
static void assert_is_whole(VM *vm, uint64_t generation)
{
    g_autofree char *uri = stream_uri();
    g_autofree char *path = stream_path();

    g_assert_cmpuint(vm_generation(vm), ==, generation);
    vm_hmp(vm, "savevm s");
    vm_cont(vm);
    vm_hmp(vm, "savevm s");
    vm_hmp(vm, "loadvm s");
    g_assert_cmpuint(vm_generation(vm), ==, generation + 1);
    assert_status(vm, "running");
    vm_save(vm, uri);
    unlink(path);
}

/* A snapshot that is loaded as a whole leaves nothing of the other one */
static void test_then_loaded(const void *command)
{
    g_autofree char *disk = create_disk();
    VM *vm = start_with_snapshots(disk);

    load_in_part(vm, command);
    vm_hmp(vm, "loadvm whole");
    g_assert_false(vm_is_running(vm));
    assert_is_whole(vm, 3);
    vm_quit(vm);
    unlink(disk);
}

/*
 * The guest boots.  What it has of the snapshot is what a guest finds in its
 * memory after any reset, but the generation of before must not come back.
 */
static void test_then_reset(const void *command)
{
    g_autofree char *disk = create_disk();
    VM *vm = start_with_snapshots(disk);

    load_in_part(vm, command);
    qtest_system_reset(vm->qts);
    assert_status(vm, "prelaunch");
    g_assert_false(vm_take_event(vm, GPE_VMGENID));
    vm_run_firmware(vm);
    assert_is_whole(vm, 2);
    vm_quit(vm);
    unlink(disk);
}

/* The disk "e" cannot be written to, and so not be reverted */
#define SECOND_DRIVE \
    "-drive if=none,id=e,format=qcow2,file.driver=%s,file.%sfilename=%s%s "

static VM *start_with_disks(const char *disk, const char *other, bool broken)
{
    return vm_start("pc", DRIVE SECOND_DRIVE DEVICE, disk,
                    broken ? "blkdebug,file.image.driver=file" : "file",
                    broken ? "image." : "", other,
                    broken ? ",file.inject-error.0.event=none"
                             ",file.inject-error.0.iotype=write" : "");
}

static void test_disk_not_reverted(void)
{
    g_autofree char *disk = create_disk();
    g_autofree char *other = tmp_path("other.qcow2");
    g_autofree char *error = NULL;
    VM *vm;

    g_assert_true(mkimg(other, "qcow2", 64));
    vm = start_with_disks(disk, other, false);
    vm_hmp(vm, "savevm s");
    vm_quit(vm);
    vm = start_with_disks(disk, other, true);
    error = vm_snapshot(vm, "loadvm");
    assert_has(error, "on 'e'");
    assert_in_part(vm);
    cannot_save(vm, &save_tests[0]);
    qtest_system_reset(vm->qts);
    vm_cont(vm);
    vm_quit(vm);
    unlink(other);
    unlink(disk);
}

/*** A load that finds nothing to load ***/

static void test_nothing_to_load(const void *command)
{
    g_autofree char *disk = create_disk();
    g_autofree char *uri = stream_uri();
    g_autofree char *path = stream_path();
    VM *vm = vm_start("pc", DRIVE DEVICE, disk);
    g_autofree char *error = vm_snapshot(vm, command);

    assert_has(error, "does not exist");
    g_assert_true(vm_is_running(vm));
    vm_save(vm, uri);
    vm_quit(vm);
    unlink(path);
    unlink(disk);
}

/*** A machine that moves ***/

#define MARK_ADDR   MiB
#define MARK        0x600df00d600df00d
#define FILL_ADDR   (2 * MiB)
#define FILL_SIZE   (8 * MiB)
#define DISK_MARK   0xab

static void vm_write_disk(VM *vm, uint8_t byte)
{
    g_autofree char *command =
        g_strdup_printf("qemu-io io \"write -q -P %d 0 64k\"", byte);

    vm_hmp(vm, command);
}

static uint8_t read_disk(const char *disk)
{
    g_autofree char *raw = tmp_path("raw");
    g_autofree char *command = g_strdup_printf(
        "%s convert -U -O raw %s %s", getenv("QTEST_QEMU_IMG"), disk, raw);
    g_autofree char *data = NULL;
    g_autoptr(GError) err = NULL;
    int status;

    g_spawn_command_line_sync(command, NULL, NULL, &status, &err);
    g_assert_no_error(err);
    g_assert_cmpint(status, ==, 0);
    g_assert_true(g_file_get_contents(raw, &data, NULL, &err));
    unlink(raw);
    return data[0];
}

/*
 * Disk and memory differ from what is in the snapshot "s", and the memory takes
 * longer to be sent than the test takes.
 */
static VM *start_to_move(const char *machine, const char *memory,
                         const char *disk)
{
    VM *vm = vm_start(machine, "%s" DRIVE DEVICE, memory, disk);

    vm_run_firmware(vm);
    vm_hmp(vm, "savevm s");
    qtest_memset(vm->qts, FILL_ADDR, 0xa5, FILL_SIZE);
    qtest_writeq(vm->qts, MARK_ADDR, MARK);
    vm_write_disk(vm, DISK_MARK);
    g_assert_true(vm_enable(vm, "events"));
    vm_set_speed(vm, 1000, 1000, 1);
    return vm;
}

static void refuses_snapshots(VM *vm, const char *why)
{
    static const char *const commands[] = {
        "loadvm", "snapshot-load", "savevm", "snapshot-save",
    };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(commands); i++) {
        g_autofree char *error = vm_snapshot(vm, commands[i]);

        assert_has(error, why);
    }
}

/* The machine has its own state and disk, and the snapshot is still there */
static void assert_not_reverted(VM *vm, const char *disk)
{
    assert_status(vm, "running");
    g_assert_cmpuint(vm_generation(vm), ==, 1);
    g_assert_cmphex(qtest_readq(vm->qts, MARK_ADDR), ==, MARK);
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'stop' }");
    g_assert_cmphex(read_disk(disk), ==, DISK_MARK);
    vm_hmp(vm, "loadvm s");
    g_assert_cmpuint(vm_generation(vm), ==, 2);
    g_assert_cmphex(qtest_readq(vm->qts, MARK_ADDR), ==, 0);
    g_assert_cmphex(read_disk(disk), ==, 0);
}

static void vm_cancel(VM *vm)
{
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'migrate_cancel' }");
    g_assert_true(vm_wait_status(vm, "cancelled"));
}

typedef struct MoveTest {
    const char *name;
    const char *capability;
    const char *status;         /* of the migration, while it is looked at */
    bool stopped;
} MoveTest;

static const MoveTest move_tests[] = {
    { "active", NULL, "active" },
    { "background-snapshot", "background-snapshot", "active" },
    { "before-switchover", "pause-before-switchover", "pre-switchover", true },
};

static void check_moving(VM *vm, const MoveTest *t)
{
    g_autofree char *uri = stream_uri();

    if (t->stopped) {
        vm_set_speed(vm, GiB, GiB, 1000);
    }
    vm_migrate(vm, uri);
    g_assert_true(vm_wait_status(vm, t->status));
    refuses_snapshots(vm, IS_MOVING);
    assert_status(vm, t->stopped ? "finish-migrate" : "running");
    vm_cancel(vm);
}

static void test_moving(const void *opaque)
{
    const MoveTest *t = opaque;
    g_autofree char *disk = create_disk();
    g_autofree char *path = stream_path();
    VM *vm = start_to_move("pc", "", disk);

    if (!t->capability || vm_enable(vm, t->capability)) {
        check_moving(vm, t);
        assert_not_reverted(vm, disk);
    } else {
        g_test_skip("the host does not allow userfaultfd");
    }
    vm_quit(vm);
    unlink(path);
    unlink(disk);
}

#ifdef CONFIG_LINUX /* has memfd */
/* The migration is being set up until the other QEMU is there */
static void test_set_up(void)
{
    g_autofree char *disk = create_disk();
    g_autofree char *sock = tmp_path("sock");
    g_autofree char *cpr = tmp_path("cpr");
    VM *vm = start_to_move(CPR_MACHINE, CPR_MEMORY, disk);
    int fd = unix_listen(cpr, &error_abort);

    vm_set_mode(vm, "cpr-transfer");
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'migrate', 'arguments': { 'channels': ["
        "{ 'channel-type': 'main', 'addr': { 'transport': 'socket',"
        "  'type': 'unix', 'path': %s } },"
        "{ 'channel-type': 'cpr', 'addr': { 'transport': 'socket',"
        "  'type': 'unix', 'path': %s } } ] } }", sock, cpr);
    g_assert_true(vm_wait_status(vm, "setup"));
    refuses_snapshots(vm, IS_MOVING);
    assert_status(vm, "running");
    vm_cancel(vm);
    vm_set_mode(vm, "normal"); /* in others snapshots have no memory */
    assert_not_reverted(vm, disk);
    vm_quit(vm);
    close(fd);
    unlink(cpr);
    unlink(disk);
}
#endif

static void move_by_postcopy(VM *from, VM *to)
{
    g_autofree char *sock = tmp_path("sock");
    g_autofree char *uri = g_strdup_printf("unix:%s", sock);

    vm_listen(to, uri);
    vm_migrate(from, uri);
    qtest_qmp_assert_success(from->qts,
                             "{ 'execute': 'migrate-start-postcopy' }");
    g_assert_true(vm_wait_status(from, "postcopy-active"));
    qtest_qmp_eventwait(to->qts, "RESUME");
}

/* Source and target share the disk, and the target runs */
static void check_postcopy(VM *from, VM *to)
{
    move_by_postcopy(from, to);
    refuses_snapshots(to, IS_MOVING);
    refuses_snapshots(from, IS_MOVING);
    assert_status(to, "running");
    g_assert_cmpuint(vm_generation(to), ==, 1);
    g_assert_cmpuint(vm_generation(from), ==, 1);
    vm_set_speed(from, GiB, GiB, 1000);
    g_assert_true(vm_wait_migration(from));
    g_assert_true(vm_wait_migration(to));
}

static void check_interrupted_postcopy(VM *from, VM *to)
{
    move_by_postcopy(from, to);
    qtest_qmp_assert_success(from->qts, "{ 'execute': 'migrate-pause' }");
    g_assert_true(vm_wait_status(from, "postcopy-paused"));
    g_assert_true(vm_wait_status(to, "postcopy-paused"));
    refuses_snapshots(to, IS_MOVING);
    refuses_snapshots(from, IS_MOVING);
    g_assert_cmpuint(vm_generation(to), ==, 1);
    g_assert_cmpuint(vm_generation(from), ==, 1);
}

static void test_postcopy(const void *interrupted)
{
    g_autofree char *disk = create_disk();
    VM *from = start_to_move("pc", "", disk);
    VM *to = vm_start("pc", DRIVE DEVICE "-incoming defer", disk);

    if (!vm_enable(from, "postcopy-ram") || !vm_enable(to, "postcopy-ram")) {
        g_test_skip("the host does not allow userfaultfd");
    } else if (interrupted) {
        check_interrupted_postcopy(from, to);
    } else {
        check_postcopy(from, to);
        assert_not_reverted(to, disk);
    }
    vm_quit(from);
    vm_quit(to);
    unlink(disk);
}

/*** A machine that has no state yet ***/

static void test_waiting(void)
{
    g_autofree char *disk = create_disk();
    VM *vm = vm_start("pc", DRIVE DEVICE "-incoming defer", disk);

    refuses_snapshots(vm, WAITS);
    vm_quit(vm);
    unlink(disk);
}

/* A stream that was loaded in part cannot be made good, not even by a reset */
static void test_failed_stream(void)
{
    g_autofree char *disk = create_disk();
    g_autofree char *uri = stream_uri();
    g_autofree char *path = stream_path();
    g_autofree char *error = NULL;
    VM *vm = vm_start("pc", DRIVE "-device vmcoreinfo " DEVICE, disk);

    vm_hmp(vm, "savevm s");
    vm_save(vm, uri);
    vm_quit(vm);
    vm = vm_start("pc", DRIVE DEVICE "-incoming defer", disk);
    g_assert_false(vm_load(vm, uri));
    refuses_snapshots(vm, WAITS);
    qtest_system_reset(vm->qts);
    refuses_snapshots(vm, WAITS);
    error = try_migrate(vm, &save_tests[2]);
    assert_has(error, WAITS);
    g_assert_false(vm_is_running(vm));
    vm_quit(vm);
    unlink(path);
    unlink(disk);
}

static void add_tests(void)
{
    size_t i;

    for (i = 0; i < ARRAY_SIZE(save_tests); i++) {
        g_autofree char *path = g_strdup_printf(
            "/vmgenload/in-part/not-saved/%s", save_tests[i].name);

        qtest_add_data_func(path, &save_tests[i], test_not_saved);
    }
    qtest_add_func("/vmgenload/in-part/not-saved/xen", test_not_saved_for_xen);
    qtest_add_func("/vmgenload/in-part/reason", test_reason_is_shown);
    qtest_add_data_func("/vmgenload/in-part/failed-again/loadvm", "loadvm",
                        test_failed_again);
    qtest_add_data_func("/vmgenload/in-part/failed-again/snapshot-load",
                        "snapshot-load", test_failed_again);
    qtest_add_data_func("/vmgenload/in-part/then-loaded/loadvm", "loadvm",
                        test_then_loaded);
    qtest_add_data_func("/vmgenload/in-part/then-loaded/snapshot-load",
                        "snapshot-load", test_then_loaded);
    qtest_add_data_func("/vmgenload/in-part/then-reset/loadvm", "loadvm",
                        test_then_reset);
    qtest_add_data_func("/vmgenload/in-part/then-reset/snapshot-load",
                        "snapshot-load", test_then_reset);
    qtest_add_func("/vmgenload/in-part/disk", test_disk_not_reverted);
    qtest_add_data_func("/vmgenload/nothing/loadvm", "loadvm",
                        test_nothing_to_load);
    qtest_add_data_func("/vmgenload/nothing/snapshot-load", "snapshot-load",
                        test_nothing_to_load);
    for (i = 0; i < ARRAY_SIZE(move_tests); i++) {
        g_autofree char *path = g_strdup_printf("/vmgenload/moving/%s",
                                                move_tests[i].name);

        qtest_add_data_func(path, &move_tests[i], test_moving);
    }
#ifdef CONFIG_LINUX
    qtest_add_func("/vmgenload/moving/set-up", test_set_up);
#endif
    qtest_add_data_func("/vmgenload/moving/postcopy", NULL, test_postcopy);
    qtest_add_data_func("/vmgenload/moving/postcopy/interrupted", "yes",
                        test_postcopy);
    qtest_add_func("/vmgenload/waiting/incoming", test_waiting);
    qtest_add_func("/vmgenload/waiting/failed-stream", test_failed_stream);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    tmp_create();

    if (have_qemu_img()) {
        add_tests();
    } else {
        qtest_add_func("/vmgenload/in-part", test_without_qemu_img);
    }
    ret = g_test_run();

    tmp_remove();
    return ret;
}
