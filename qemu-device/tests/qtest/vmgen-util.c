/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of devices that tell a guest of a restore have in common
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "vmgen-util.h"

static char *tmpdir;

void tmp_create(void)
{
    tmpdir = g_dir_make_tmp("vmgen-test-XXXXXX", NULL);
    g_assert_nonnull(tmpdir);
}

void tmp_remove(void)
{
    rmdir(tmpdir);
    g_free(tmpdir);
}

char *tmp_path(const char *name)
{
    return g_build_filename(tmpdir, name, NULL);
}

char *find_bytes(char *data, size_t size, const char *bytes, size_t len)
{
    char *end = data + size - len;

    for (; data <= end; data++) {
        if (!memcmp(data, bytes, len)) {
            return data;
        }
    }
    return NULL;
}

static void vm_enable_gpe(VM *vm, const char *machine)
{
    bool q35 = strstr(machine, "q35");

    if (strstr(machine, "microvm")) {
        return;
    }
    if (q35) {
        /* PMBASE and ACPI_CNTL of the ICH9's LPC bridge */
        qtest_outl(vm->qts, 0xcf8, 0x8000f840);
        qtest_outl(vm->qts, 0xcfc, 0x601);
        qtest_outl(vm->qts, 0xcf8, 0x8000f844);
        qtest_outb(vm->qts, 0xcfc, 0x80);
    }
    vm->gpe = q35 ? 0x620 : 0xafe0;
}

VM *vm_start(const char *machine, const char *fmt, ...)
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
    vm_enable_gpe(vm, machine);
    return vm;
}

void vm_quit(VM *vm)
{
    guest_free(&vm->qs->alloc, vm->guid_page);
    pc_fw_cfg_uninit(vm->fw_cfg);
    qtest_shutdown(vm->qs);
    g_free(vm);
}

void vm_run_firmware(VM *vm)
{
    uint64_t addr = cpu_to_le64(vm->guid_page + GUID_OFFSET);
    uint8_t blob[GUID_FILE_SIZE];

    qfw_cfg_read_file(vm->fw_cfg, vm->qs, GUID_FILE,
                      blob, sizeof(blob));
    qtest_bufwrite(vm->qts, vm->guid_page, blob, sizeof(blob));
    qfw_cfg_write_file(vm->fw_cfg, vm->qs, ADDR_FILE,
                       &addr, sizeof(addr));
}

/* The event that the microvm's generic event device has instead */
static bool vm_take_ged_event(VM *vm, int event)
{
    g_assert_cmpint(event, ==, GPE_VMGENID);
    /* What is read is gone */
    return qtest_readl(vm->qts, GED_SELECTOR) & GED_VMGENID;
}

bool vm_take_event(VM *vm, int event)
{
    uint16_t port = vm->gpe + event / 8;
    uint8_t mask = 1 << event % 8;
    bool sent;

    if (!vm->gpe) {
        return vm_take_ged_event(vm, event);
    }
    sent = qtest_inb(vm->qts, port) & mask;
    qtest_outb(vm->qts, port, mask);
    return sent;
}

bool vm_has_aml(VM *vm, const char *bytes, size_t len)
{
    size_t size = 256 * KiB;
    g_autofree char *tables = g_malloc(size);

    size = qfw_cfg_read_file(vm->fw_cfg, vm->qs, "etc/acpi/tables",
                             tables, size);
    return find_bytes(tables, size, bytes, len);
}

bool vm_is_running(VM *vm)
{
    g_autoptr(QDict) status = qtest_qmp_assert_success_ref(
        vm->qts, "{ 'execute': 'query-status' }");

    return qdict_get_bool(status, "running");
}

void vm_hmp(VM *vm, const char *command)
{
    g_autofree char *text = qtest_hmp(vm->qts, "%s", command);

    g_assert_cmpstr(text, ==, "");
}

char *run_refused(const char *machine, const char *device)
{
    const char *argv[] = {
        getenv("QTEST_QEMU_BINARY"), "-accel", "qtest", "-display", "none",
        "-machine", machine, "-nodefaults", "-device", device,
        "-incoming", "file:/dev/null", /* for one that does not, to end */
        NULL
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

/*
 * A boot sector that loads a field of a page, stores to the page in several
 * ways, loads the field again, leaves both values at 0x8000 and reports a
 * panic.
 */
static const uint8_t writer[] = {
    0xfa,                               /* cli */
    0x31, 0xc0,                         /* xor %ax,%ax */
    0x8e, 0xd8,                         /* mov %ax,%ds */
    0x0f, 0x01, 0x16, 0x58, 0x7c,       /* lgdtw 0x7c58 */
    0x0f, 0x20, 0xc0,                   /* mov %cr0,%eax */
    0x0c, 0x01,                         /* or $1,%al */
    0x0f, 0x22, 0xc0,                   /* mov %eax,%cr0 */
    0xbb, 0x08, 0x00,                   /* mov $8,%bx */
    0x8e, 0xdb,                         /* mov %bx,%ds */
#define WRITER_FIELD 25
    0x66, 0xbb, 0x00, 0x00, 0x00, 0x00, /* mov $field,%ebx */
    0x66, 0x89, 0xde,                   /* mov %ebx,%esi */
    0x67, 0x66, 0x8b, 0x03,             /* mov (%ebx),%eax */
    0x66, 0xa3, 0x00, 0x80,             /* mov %eax,0x8000 */
    0x67, 0x66, 0xc7, 0x03,             /* movl $-1,(%ebx) */
    0xff, 0xff, 0xff, 0xff,
    0x67, 0x66, 0xf0, 0x87, 0x43, 0x04, /* lock xchg %eax,4(%ebx) */
    0x81, 0xe3, 0x00, 0xf0,             /* and $0xf000,%bx */
    0x67, 0xc7, 0x03, 0xff, 0xff,       /* movw $-1,(%ebx) */
    0x81, 0xcb, 0xff, 0x0f,             /* or $0xfff,%bx */
    0x67, 0xc6, 0x03, 0xff,             /* movb $-1,(%ebx) */
    0x67, 0x66, 0x8b, 0x06,             /* mov (%esi),%eax */
    0x66, 0xa3, 0x04, 0x80,             /* mov %eax,0x8004 */
    0xba, 0x05, 0x05,                   /* mov $0x505,%dx */
    0xb0, 0x01,                         /* mov $1,%al */
    0xee,                               /* out %al,(%dx) */
    0xf4,                               /* 1: hlt */
    0xeb, 0xfd,                         /* jmp 1b */
    0x0f, 0x00, 0x5e, 0x7c, 0x00, 0x00, /* 0x7c58: GDT, 16 bytes at 0x7c5e */
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xff, 0xff, 0x00, 0x00, 0x00, 0x92, 0xcf, 0x00, /* flat data, writable */
};

static void create_writer(const char *disk, uint64_t field)
{
    uint8_t sector[512] = { [510] = 0x55, [511] = 0xaa };

    memcpy(sector, writer, sizeof(writer));
    stl_le_p(sector + WRITER_FIELD, field);
    g_assert_true(g_file_set_contents(disk, (char *)sector, sizeof(sector),
                                      NULL));
}

/* Where an accelerator does not start, QEMU takes the next: that of qtest */
static bool vm_executes(VM *vm, const char *accel)
{
    g_autoptr(QDict) kvm = qtest_qmp_assert_success_ref(
        vm->qts, "{ 'execute': 'query-kvm' }");

    return qdict_get_bool(kvm, "enabled") || strcmp(accel, "kvm");
}

static void vm_run_writer(VM *vm, uint64_t page, uint32_t value)
{
    uint8_t before[4096], after[sizeof(before)];
    g_autoptr(QDict) status = NULL;

    qtest_bufread(vm->qts, page, before, sizeof(before));
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'cont' }");
    qtest_qmp_eventwait(vm->qts, "STOP");
    status = qtest_qmp_assert_success_ref(vm->qts,
                                          "{ 'execute': 'query-status' }");
    g_assert_cmpstr(qdict_get_str(status, "status"), ==, "guest-panicked");
    g_assert_cmpuint(qtest_readl(vm->qts, 0x8000), ==, value);
    g_assert_cmpuint(qtest_readl(vm->qts, 0x8004), ==, value);
    qtest_bufread(vm->qts, page, after, sizeof(after));
    g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
}

void check_guest_writes(const char *accel, const char *devices, uint64_t field,
                        uint32_t value)
{
    g_autofree char *disk = tmp_path("boot");
    VM *vm;

    create_writer(disk, field);
    vm = vm_start("pc", "-accel %s -S -action panic=pause -device pvpanic "
                  "-device ide-hd,drive=d "
                  "-drive if=none,id=d,format=raw,file=%s %s",
                  accel, disk, devices);
    if (vm_executes(vm, accel)) {
        vm_run_writer(vm, field & ~0xfffULL, value);
    } else {
        g_test_skip("QEMU cannot use KVM on this host");
    }
    vm_quit(vm);
    unlink(disk);
}

char *create_disk(void)
{
    char *disk = tmp_path("disk.qcow2");

    g_assert_true(mkimg(disk, "qcow2", 64));
    return disk;
}

void test_without_qemu_img(void)
{
    g_test_skip("QTEST_QEMU_IMG is not set, or there is no qemu-img");
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
}

static char *vm_job_error(VM *vm)
{
    g_autoptr(QDict) rsp = qtest_qmp(vm->qts, "{ 'execute': 'query-jobs' }");
    QDict *job = qobject_to(QDict, qlist_peek(qdict_get_qlist(rsp, "return")));

    return g_strdup(qdict_get_try_str(job, "error"));
}

static char *vm_run_job(VM *vm, const char *command)
{
    char *error;

    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': %s, 'arguments': { 'job-id': 'j', 'tag': 's',"
        "'vmstate': 'd', 'devices': [ 'd' ] } }", command);
    vm_wait_job(vm, "j");
    error = vm_job_error(vm);
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'job-dismiss', 'arguments': { 'id': 'j' } }");
    qtest_qmp_eventwait(vm->qts, "JOB_STATUS_CHANGE"); /* null */
    return error;
}

char *vm_snapshot(VM *vm, const char *command)
{
    g_autofree char *text = NULL;

    if (g_str_has_prefix(command, "snapshot-")) {
        return vm_run_job(vm, command);
    }
    text = qtest_hmp(vm->qts, "%s s", command);
    return *text ? g_steal_pointer(&text) : NULL;
}

void vm_snapshot_job(VM *vm, const char *command)
{
    g_autofree char *error = vm_run_job(vm, command);

    g_assert_cmpstr(error, ==, NULL);
}

void vm_loadvm_fails(VM *vm, const char *name)
{
    g_autofree char *text = NULL;

    g_assert_true(vm_is_running(vm));
    text = qtest_hmp(vm->qts, "loadvm %s", name);
    g_assert_nonnull(strstr(text, "Error"));
    g_assert_false(vm_is_running(vm));
}

void vm_cannot_run(VM *vm)
{
    g_autoptr(QDict) err = qtest_qmp_assert_failure_ref(
        vm->qts, "{ 'execute': 'cont' }");

    g_assert_cmpstr(qdict_get_str(err, "desc"), ==,
                    "Resetting the Virtual Machine is required");
}

char *stream_path(void)
{
    return tmp_path("stream");
}

char *stream_uri(void)
{
    return g_strdup_printf("file:%s/stream", tmpdir);
}

bool vm_enable(VM *vm, const char *capability)
{
    g_autoptr(QDict) rsp = qtest_qmp(
        vm->qts, "{ 'execute': 'migrate-set-capabilities', 'arguments': {"
        "'capabilities': [ { 'capability': %s, 'state': true } ] } }",
        capability);

    return qdict_haskey(rsp, "return");
}

bool vm_wait_status(VM *vm, const char *wanted)
{
    const char *status;

    do {
        g_autoptr(QDict) event = qtest_qmp_eventwait_ref(vm->qts, "MIGRATION");
        QDict *data = qdict_get_qdict(event, "data");

        status = g_intern_string(qdict_get_str(data, "status"));
    } while (strcmp(status, wanted) && strcmp(status, "completed") &&
             strcmp(status, "failed"));
    return !strcmp(status, wanted);
}

bool vm_wait_migration(VM *vm)
{
    return vm_wait_status(vm, "completed");
}

void vm_migrate(VM *vm, const char *uri)
{
    g_assert_true(vm_enable(vm, "events"));
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'migrate', 'arguments': { 'uri': %s } }", uri);
}

void vm_listen(VM *vm, const char *uri)
{
    g_assert_true(vm_enable(vm, "events"));
    qtest_qmp_assert_success(
        vm->qts, "{ 'execute': 'migrate-incoming', 'arguments': {"
        "'uri': %s, 'exit-on-error': false } }", uri);
}

void vm_save(VM *vm, const char *uri)
{
    vm_migrate(vm, uri);
    g_assert_true(vm_wait_migration(vm));
}

static void assert_never_runs(VM *vm)
{
    g_assert_false(vm_is_running(vm));
    qtest_qmp_assert_success(vm->qts, "{ 'execute': 'cont' }");
    g_assert_false(vm_is_running(vm));
}

bool vm_load(VM *vm, const char *uri)
{
    bool loaded;

    vm_listen(vm, uri);
    loaded = vm_wait_migration(vm);
    if (!loaded) {
        assert_never_runs(vm);
    }
    return loaded;
}

void damage_stream(const char *subsection, size_t offset,
                   const void *data, size_t len)
{
    g_autofree char *path = stream_path();
    g_autofree char *stream = NULL;
    char *found;
    size_t size;

    g_assert_true(g_file_get_contents(path, &stream, &size, NULL));
    found = find_bytes(stream, size, subsection, strlen(subsection));
    g_assert_nonnull(found);
    if (data) {
        memcpy(found + offset, data, len);
    } else {
        size = found + offset - stream;
    }
    g_assert_true(g_file_set_contents(path, stream, size, NULL));
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
    while (!vm_is_running(vm)) {
        g_usleep(1000);
    }
}

VM *vm_cpr_transfer(VM *old, const char *devices)
{
    g_autofree char *sock = tmp_path("sock");
    g_autofree char *cpr = tmp_path("cpr");
    g_autofree char *args = g_strdup_printf(
        "-machine " CPR_MACHINE " " CPR_MEMORY "-m 16 -nodefaults "
        "-incoming unix:%s "
        "-incoming cpr,addr.transport=socket,addr.type=unix,addr.path=%s %s",
        sock, cpr, devices);
    CprTransfer transfer = { old, sock, cpr };
    VM *vm = g_new0(VM, 1);
    GThread *thread;

    vm->guid_page = old->guid_page;
    vm->gpe = old->gpe;
    /* The new one opens its monitor when the old one has said what to map */
    thread = g_thread_new("cpr", start_cpr_transfer, &transfer);
    vm->qts = qtest_init(args);
    g_thread_join(thread);
    vm_wait_running(vm);
    unlink(sock);
    unlink(cpr);
    return vm;
}

void vm_quit_successor(VM *vm)
{
    qtest_quit(vm->qts);
    g_free(vm);
}
