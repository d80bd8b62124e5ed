/*
 * Test of snapshots with migration capabilities that they do not go with, and
 * of background snapshots
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "libqtest.h"
#include "qobject/qlist.h"
#include <linux/magic.h>
#include <sys/vfs.h>

#define MACHINE "-machine q35 -m 64M -nodefaults "
#define ADDR 0x200000
#define SIZE 0x100000

static char *path;

static QDict *set_capability(QTestState *qts, const char *name, bool on)
{
    return qtest_qmp(qts, "{'execute': 'migrate-set-capabilities',"
                     " 'arguments': {'capabilities': [ {'capability': %s,"
                     " 'state': %i}]}}", name, on);
}

static bool succeeds(QDict *rsp)
{
    bool ret = qdict_haskey(rsp, "return");

    qobject_unref(rsp);
    return ret;
}

static void wait_for_migration(QTestState *qts, const char *wanted)
{
    g_autofree char *status = NULL;

    do {
        QDict *ret = qtest_qmp_assert_success_ref(qts, "{'execute':"
                                                  " 'query-migrate'}");

        g_free(status);
        status = g_strdup(qdict_get_try_str(ret, "status"));
        qobject_unref(ret);
        if (!g_strcmp0(status, "failed") || !g_strcmp0(status, "completed")) {
            g_assert_cmpstr(status, ==, wanted);
        }
        g_usleep(1000);
    } while (g_strcmp0(status, wanted));
}

/*** Snapshots in an image ***/

static QTestState *start_with_disk(void)
{
    g_assert_true(mkimg(path, "qcow2", 128));
    return qtest_initf(MACHINE "-blockdev driver=qcow2,node-name=d,"
                       "file.driver=file,file.filename=%s", path);
}

/* Returns what HMP says, in which nothing is good news */
static char *savevm(QTestState *qts)
{
    return qtest_hmp(qts, "savevm s");
}

/* Returns the error of the job, or NULL */
static char *snapshot_save(QTestState *qts)
{
    char *error = NULL;
    bool over = false;

    qtest_qmp_assert_success(qts, "{'execute': 'snapshot-save', 'arguments': {"
                             " 'job-id': 'j', 'tag': 's', 'vmstate': 'd',"
                             " 'devices': ['d']}}");
    while (!over) {
        QDict *rsp = qtest_qmp(qts, "{'execute': 'query-jobs'}");
        QList *jobs = qdict_get_qlist(rsp, "return");
        QDict *job = qobject_to(QDict, qlist_peek(jobs));

        over = g_str_equal(qdict_get_str(job, "status"), "concluded");
        error = g_strdup(qdict_get_try_str(job, "error"));
        qobject_unref(rsp);
    }
    qtest_qmp_assert_success(qts, "{'execute': 'job-dismiss',"
                             " 'arguments': {'id': 'j'}}");
    return error;
}

static void test_capability(const void *opaque)
{
    const char *name = opaque;
    g_autofree char *wanted = g_strdup_printf("not compatible with %s", name);
    QTestState *qts;

    if (!have_qemu_img()) {
        g_test_skip("there is no qemu-img");
        return;
    }
    qts = start_with_disk();
    g_assert_true(succeeds(set_capability(qts, name, true)));
    {
        g_autofree char *said = savevm(qts);
        g_autofree char *error = snapshot_save(qts);

        g_assert_nonnull(strstr(said, wanted));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error, wanted));
    }
    g_assert_true(succeeds(set_capability(qts, name, false)));
    {
        g_autofree char *said = savevm(qts);

        g_assert_cmpstr(said, ==, "");
    }
    qtest_quit(qts);
    unlink(path);
}

/*** Background snapshots in a file ***/

/* Pages that are zero, and pages that are not */
static void fill(uint8_t *data)
{
    size_t i;

    for (i = 0; i < SIZE; i++) {
        data[i] = i / 4096 % 3 ? i / 4096 + i : 0;
    }
}

static void test_mapped_ram(void)
{
    g_autofree char *uri = g_strconcat("file:", path, NULL);
    g_autofree uint8_t *data = g_malloc(SIZE);
    g_autofree uint8_t *loaded = g_malloc(SIZE);
    QTestState *qts = qtest_init(MACHINE);

    if (!succeeds(set_capability(qts, "background-snapshot", true))) {
        g_test_skip("the host does not support background-snapshot");
        qtest_quit(qts);
        return;
    }
    g_assert_true(succeeds(set_capability(qts, "mapped-ram", true)));
    fill(data);
    qtest_memwrite(qts, ADDR, data, SIZE);
    qtest_qmp_assert_success(qts, "{'execute': 'migrate',"
                             " 'arguments': {'uri': %s}}", uri);
    /* It is not in the snapshot what changes from now on, or was before */
    wait_for_migration(qts, "completed");
    qtest_memset(qts, ADDR, 0xff, SIZE);
    qtest_quit(qts);

    qts = qtest_init(MACHINE "-incoming defer");
    g_assert_true(succeeds(set_capability(qts, "mapped-ram", true)));
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming',"
                             " 'arguments': {'uri': %s}}", uri);
    wait_for_migration(qts, "completed");
    qtest_memread(qts, ADDR, loaded, SIZE);
    g_assert_cmpmem(loaded, SIZE, data, SIZE);
    qtest_quit(qts);
    unlink(path);
}

/* Memory of a file on a disk cannot be write-protected */
static void test_unfit_memory(void)
{
    g_autofree char *memory = g_strconcat(path, "-memory", NULL);
    g_autofree char *uri = g_strconcat("file:", path, NULL);
    QTestState *qts;
    struct statfs fs;

    g_assert_cmpint(statfs(g_get_tmp_dir(), &fs), ==, 0);
    if (fs.f_type == TMPFS_MAGIC) {
        g_test_skip("the folder of temporary files is a tmpfs");
        return;
    }
    qts = qtest_init(MACHINE "-m 64M,slots=2,maxmem=1G");
    if (!succeeds(set_capability(qts, "background-snapshot", true))) {
        g_test_skip("the host does not support background-snapshot");
        qtest_quit(qts);
        return;
    }
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-file', 'id': 'm1',"
                             " 'size': 67108864, 'share': true,"
                             " 'mem-path': %s}}", memory);
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             " 'driver': 'pc-dimm', 'memdev': 'm1'}}");
    qtest_qmp_assert_success(qts, "{'execute': 'migrate',"
                             " 'arguments': {'uri': %s}}", uri);
    wait_for_migration(qts, "failed");
    /* It is still there */
    qtest_qmp_assert_success(qts, "{'execute': 'query-status'}");
    qtest_quit(qts);
    unlink(memory);
    unlink(path);
}

int main(int argc, char **argv)
{
    static const char * const names[] = {
        "x-ignore-shared", "mapped-ram", "multifd",
    };
    int i, ret;

    g_test_init(&argc, &argv, NULL);
    path = g_strdup_printf("%s/snapshot-test-%d", g_get_tmp_dir(), getpid());

    for (i = 0; i < ARRAY_SIZE(names); i++) {
        g_autofree char *test = g_strconcat("snapshot/", names[i], NULL);

        qtest_add_data_func(test, names[i], test_capability);
    }
    qtest_add_func("snapshot/background/mapped-ram", test_mapped_ram);
    if (qtest_has_device("pc-dimm")) {
        qtest_add_func("snapshot/background/unfit-memory", test_unfit_memory);
    }
    ret = g_test_run();
    g_free(path);
    return ret;
}
