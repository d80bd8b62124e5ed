/*
 * Test of the view of guest memory for another process
 *
 * The test is the other process.  Writes to guest memory come from a thread of
 * its own, because they wait in QEMU's main loop as long as the page is
 * protected.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/sockets.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "libqos/malloc-pc.h"
#include "libqos/pci-pc.h"
#include "libqos/virtio.h"
#include "libqos/virtio-pci.h"
#include "qobject/qlist.h"
#include "qobject/qstring.h"
#include "standard-headers/linux/virtio_balloon.h"
#include "standard-headers/linux/virtio_ids.h"
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define RAM_SIZE (128 * MiB)
#define MACHINE "-machine q35,memory-backend=ram -m 128M -nodefaults "
#define MEMFD "-object memory-backend-memfd,id=ram,size=128M "
#define MEMFD_HUGE \
    "-object memory-backend-memfd,id=ram,size=128M,hugetlb=on,hugetlbsize=2M "

#define ADDR 0x200000           /* of what the tests write */
#define OLD 0x11223344
#define NEW 0x55667788

#define PAGE_SIZE 4096          /* these are tests of i386 */
#define MAX_BLOCKS 4

#define VHOST_USER_F_PROTOCOL_FEATURES 30

typedef struct View {
    QTestState *qts;
    QDict *reply;
    int sock;
    int uffd;
    int fds[MAX_BLOCKS];
    int nr_fds;
    uint64_t host;              /* of the first block */
    uint64_t size;
    uint64_t fd_offset;
} View;

/*** Machines ***/

static G_GNUC_PRINTF(1, 2) QTestState *start(const char *fmt, ...)
{
    g_autofree char *args = NULL;
    QTestState *qts;
    va_list ap;

    va_start(ap, fmt);
    args = g_strdup_vprintf(fmt, ap);
    va_end(ap);

    qts = qtest_init_without_qmp_handshake(args);
    qobject_unref(qtest_qmp_receive(qts));
    qtest_qmp_assert_success(qts, "{'execute': 'qmp_capabilities',"
                             " 'arguments': {'enable': ['oob']}}");
    return qts;
}

/* Consumes the response, and returns the message of its error, or NULL */
static char *response_error(QDict *rsp)
{
    QDict *error = qdict_get_qdict(rsp, "error");
    char *desc = error ? g_strdup(qdict_get_str(error, "desc")) : NULL;

    qobject_unref(rsp);
    return desc;
}

static void check_error(QDict *rsp, const char *part)
{
    g_autofree char *desc = response_error(rsp);

    g_assert_nonnull(desc);
    if (!strstr(desc, part)) {
        g_error("\"%s\" is not in \"%s\"", part, desc);
    }
}

static void pass_fd(QTestState *qts, int fd)
{
    qtest_qmp_fds_assert_success(qts, &fd, 1, "{'execute': 'getfd',"
                                 " 'arguments': {'fdname': 'view'}}");
}

static QDict *open_with(QTestState *qts, int fd)
{
    pass_fd(qts, fd);
    return qtest_qmp(qts, "{'execute': 'ram-view-open',"
                     " 'arguments': {'fdname': 'view'}}");
}

static QDict *open_private_with(QTestState *qts, int fd)
{
    pass_fd(qts, fd);
    return qtest_qmp(qts, "{'execute': 'ram-view-open',"
                     " 'arguments': {'fdname': 'view', 'private': true}}");
}

static void check_refused_by(QTestState *qts, const char *part,
                             QDict *(*open)(QTestState *, int))
{
    int sv[2];
    char byte;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    check_error(open(qts, sv[1]), part);
    close(sv[1]);
    /* Nothing was sent, and nobody keeps the socket */
    g_assert_cmpint(read(sv[0], &byte, 1), ==, 0);
    close(sv[0]);
}

static void check_refused(QTestState *qts, const char *part)
{
    check_refused_by(qts, part, open_with);
}

static void check_start_refused(const char *part, const char *args)
{
    QTestState *qts = start("%s", args);

    check_refused(qts, part);
    qtest_quit(qts);
}

static bool is_open(QTestState *qts)
{
    QDict *ret = qtest_qmp_assert_success_ref(qts, "{'execute':"
                                              " 'query-ram-view'}");
    bool open = qdict_get_bool(ret, "open");

    g_assert_cmpint(qdict_haskey(ret, "blocks"), ==, open);
    qobject_unref(ret);
    return open;
}

/*** The view ***/

static void receive(View *v, bool with_uffd)
{
    union {
        char buf[CMSG_SPACE((1 + MAX_BLOCKS) * sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte = 0;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.buf,
        .msg_controllen = sizeof(control.buf),
    };
    struct cmsghdr *cmsg;
    int *fds;

    /* It was sent before the response */
    g_assert_cmpint(recvmsg(v->sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC),
                    ==, 1);
    g_assert_cmpint(byte, ==, 'V');
    g_assert_false(msg.msg_flags & MSG_CTRUNC);
    cmsg = CMSG_FIRSTHDR(&msg);
    v->uffd = -1;
    if (!cmsg) {
        g_assert_false(with_uffd);
        return;
    }
    fds = (int *)CMSG_DATA(cmsg);
    v->nr_fds = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    if (with_uffd) {
        v->uffd = *fds++;
        v->nr_fds--;
    }
    memcpy(v->fds, fds, v->nr_fds * sizeof(int));
}

static QDict *view_block(View *v, int i)
{
    QList *blocks = qdict_get_qlist(v->reply, "blocks");

    while (i--) {
        qobject_unref(qlist_pop(blocks));
    }
    return qobject_to(QDict, qlist_peek(blocks));
}

static View *view_open_by(QTestState *qts, bool private)
{
    View *v = g_new0(View, 1);
    QDict *rsp, *block;
    int sv[2];

    v->qts = qts;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv),
                    ==, 0);
    rsp = private ? open_private_with(qts, sv[1]) : open_with(qts, sv[1]);
    close(sv[1]);
    if (qdict_haskey(rsp, "error")) {
        g_error("%s", response_error(rsp));
    }
    v->sock = sv[0];
    v->reply = qobject_ref(qdict_get_qdict(rsp, "return"));
    qobject_unref(rsp);
    receive(v, !private);
    block = view_block(v, 0);
    v->host = qdict_get_int(block, "host");
    v->size = qdict_get_int(block, "size");
    v->fd_offset = qdict_get_try_int(block, "fd-offset", -1);
    g_assert_true(is_open(qts));
    return v;
}

static View *view_open(QTestState *qts)
{
    View *v = view_open_by(qts, false);

    g_assert_cmpint(qlist_size(qdict_get_qlist(v->reply, "blocks")), ==,
                    v->nr_fds);
    return v;
}

static View *view_open_private(QTestState *qts)
{
    return view_open_by(qts, true);
}

/* Close our end */
static void view_hang_up(View *v)
{
    close(v->sock);
    v->sock = -1;
}

static void view_free(View *v)
{
    int i;

    for (i = 0; i < v->nr_fds; i++) {
        close(v->fds[i]);
    }
    if (v->uffd >= 0) {
        close(v->uffd);
    }
    if (v->sock >= 0) {
        close(v->sock);
    }
    qobject_unref(v->reply);
    g_free(v);
}

static void check_closed(QTestState *qts, const char *reason)
{
    QDict *event = qtest_qmp_eventwait_ref(qts, "RAM_VIEW_CLOSED");
    QDict *data = qdict_get_qdict(event, "data");

    g_assert_cmpstr(qdict_get_str(data, "reason"), ==, reason);
    qobject_unref(event);
    g_assert_false(is_open(qts));
    g_assert_null(qtest_qmp_event_ref(qts, "RAM_VIEW_CLOSED"));
}

static void view_end(View *v)
{
    view_hang_up(v);
    check_closed(v->qts, "hangup");
    view_free(v);
}

static void view_protect(View *v, uint64_t offset, uint64_t size, bool on)
{
    struct uffdio_writeprotect wp = {
        .range = { v->host + offset, size },
        .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
    };

    g_assert_cmpint(ioctl(v->uffd, UFFDIO_WRITEPROTECT, &wp), ==, 0);
}

/* The offset of the next write fault into the first block */
static uint64_t view_fault(View *v)
{
    struct pollfd pfd = { v->uffd, POLLIN };
    struct uffd_msg msg;

    g_assert_cmpint(poll(&pfd, 1, -1), ==, 1);
    g_assert_cmpint(read(v->uffd, &msg, sizeof(msg)), ==, sizeof(msg));
    g_assert_cmpint(msg.event, ==, UFFD_EVENT_PAGEFAULT);
    g_assert_true(msg.arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP);
    return msg.arg.pagefault.address - v->host;
}

static uint32_t view_read(View *v, uint64_t offset)
{
    uint32_t value;

    g_assert_cmpint(pread(v->fds[0], &value, sizeof(value),
                          v->fd_offset + offset), ==, sizeof(value));
    return le32_to_cpu(value);
}

/*** Writes that wait ***/

typedef struct Writer {
    QTestState *qts;
    GThread *thread;
    int done;
} Writer;

static void *writer_run(void *opaque)
{
    Writer *writer = opaque;

    qtest_writel(writer->qts, ADDR, NEW);
    qatomic_set(&writer->done, 1);
    return NULL;
}

static Writer *writer_start(QTestState *qts)
{
    Writer *writer = g_new0(Writer, 1);

    writer->qts = qts;
    writer->thread = g_thread_new("writer", writer_run, writer);
    return writer;
}

static void writer_end(Writer *writer)
{
    g_thread_join(writer->thread);
    g_assert_cmphex(qtest_readl(writer->qts, ADDR), ==, NEW);
    g_free(writer);
}

/* A writer that waits in the main loop */
static Writer *writer_start_to_wait(View *v)
{
    Writer *writer;

    qtest_writel(v->qts, ADDR, OLD);
    view_protect(v, 0, v->size, true);
    writer = writer_start(v->qts);
    g_assert_cmphex(view_fault(v), ==, ADDR);
    g_assert_cmpint(qatomic_read(&writer->done), ==, 0);
    g_assert_cmphex(view_read(v, ADDR), ==, OLD);
    return writer;
}

/*** What a view has ***/

static void check_ranges(View *v)
{
    QDict *block = view_block(v, 0);
    QList *ranges = qdict_get_qlist(block, "ranges");
    const QListEntry *entry;
    bool found = false;

    QLIST_FOREACH_ENTRY(ranges, entry) {
        QDict *range = qobject_to(QDict, qlist_entry_obj(entry));
        uint64_t address = qdict_get_int(range, "address");

        if (ADDR - address < qdict_get_int(range, "size")) {
            g_assert_cmphex(ADDR - address + qdict_get_int(range, "offset"),
                            ==, ADDR);
            found = true;
        }
    }
    g_assert_true(found);
}

static void check_contents(View *v)
{
    uint32_t value = cpu_to_le32(NEW);

    qtest_writel(v->qts, ADDR, OLD);
    g_assert_cmphex(view_read(v, ADDR), ==, OLD);
    g_assert_cmpint(pwrite(v->fds[0], &value, sizeof(value),
                           v->fd_offset + ADDR), ==, sizeof(value));
    g_assert_cmphex(qtest_readl(v->qts, ADDR), ==, NEW);
}

static void check_faults(View *v)
{
    Writer *writer = writer_start_to_wait(v);

    view_protect(v, 0, v->size, false);
    writer_end(writer);
}

static void check_memory(const char *object, uint64_t page_size,
                         uint64_t fd_offset)
{
    QTestState *qts = start(MACHINE "%s", object);
    View *v;

    g_assert_false(is_open(qts));
    v = view_open(qts);
    g_assert_cmpint(v->nr_fds, ==, 1);
    g_assert_cmpstr(qdict_get_str(view_block(v, 0), "id"), ==, "ram");
    g_assert_cmpint(qdict_get_int(view_block(v, 0), "page-size"), ==,
                    page_size);
    g_assert_false(qdict_get_bool(view_block(v, 0), "private"));
    g_assert_cmpint(v->size, ==, RAM_SIZE);
    g_assert_cmpint(v->fd_offset, ==, fd_offset);
    check_ranges(v);
    check_contents(v);
    check_faults(v);
    view_end(v);
    qtest_quit(qts);
}

static void test_memfd(void)
{
    check_memory(MEMFD, PAGE_SIZE, 0);
}

static void test_ram(void)
{
    check_memory("-object memory-backend-ram,id=ram,size=128M,share=on",
                 PAGE_SIZE, 0);
}

/* A file with room before the memory */
static char *file_create(const char *folder)
{
    g_autofree char *path = g_strdup_printf("%s/ram-view-XXXXXX", folder);
    int fd = g_mkstemp(path);

    if (fd < 0) {
        return NULL;
    }
    g_assert_cmpint(ftruncate(fd, RAM_SIZE + 2 * MiB), ==, 0);
    close(fd);
    return g_steal_pointer(&path);
}

static void test_file(void)
{
    g_autofree char *path = file_create("/dev/shm");
    g_autofree char *object = NULL;

    if (!path) {
        g_test_skip("no file can be created in /dev/shm");
        return;
    }
    object = g_strdup_printf("-object memory-backend-file,id=ram,size=128M,"
                             "share=on,mem-path=%s,offset=2M", path);
    check_memory(object, PAGE_SIZE, 2 * MiB);
    unlink(path);
}

static bool have_huge_pages(void)
{
    g_autofree char *free_pages = NULL;

    return g_file_get_contents("/sys/kernel/mm/hugepages/hugepages-2048kB/"
                               "free_hugepages", &free_pages, NULL, NULL) &&
           atoi(free_pages) >= RAM_SIZE / (2 * MiB);
}

static void test_hugetlb(void)
{
    if (!have_huge_pages()) {
        g_test_skip("the host has not got 64 free huge pages of 2 MiB");
        return;
    }
    check_memory(MEMFD_HUGE, 2 * MiB, 0);
}

/* A device's access to guest memory, by means of the firmware configuration */
static void *dma_run(void *opaque)
{
    QTestState *qts = opaque;

    qtest_outl(qts, 0x514, 0);
    qtest_outl(qts, 0x518, cpu_to_be32(0x100000));
    return NULL;
}

static void test_dma(void)
{
    QTestState *qts = start(MACHINE MEMFD);
    View *v = view_open(qts);
    GThread *thread;

    /* Select the signature, read its 4 bytes */
    qtest_writel(qts, 0x100000, cpu_to_be32(0x0000000a));
    qtest_writel(qts, 0x100004, cpu_to_be32(4));
    qtest_writeq(qts, 0x100008, cpu_to_be64(ADDR));
    qtest_writel(qts, ADDR, OLD);
    view_protect(v, ADDR, PAGE_SIZE, true);
    thread = g_thread_new("dma", dma_run, qts);
    g_assert_cmphex(view_fault(v), ==, ADDR);
    g_assert_cmphex(view_read(v, ADDR), ==, OLD);
    view_protect(v, ADDR, PAGE_SIZE, false);
    g_thread_join(thread);
    g_assert_cmphex(view_read(v, ADDR), ==, 0x554d4551); /* QEMU */
    view_end(v);
    qtest_quit(qts);
}

static void test_two_blocks(void)
{
    QTestState *qts = start(MACHINE MEMFD
        "-m 128M,slots=2,maxmem=1G "
        "-object memory-backend-memfd,id=m1,size=64M "
        "-device pc-dimm,memdev=m1,id=d1 "
        "-object memory-backend-ram,id=unused,size=16M");
    View *v = view_open(qts);

    g_assert_cmpint(v->nr_fds, ==, 2);
    view_end(v);
    qtest_quit(qts);
}

/* What is added later is not in the view, and does no harm */
static void test_hotplug(void)
{
    QTestState *qts = start(MACHINE MEMFD "-m 128M,slots=2,maxmem=1G");
    View *v = view_open(qts);
    QDict *ret;

    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-ram', 'id': 'm1',"
                             " 'size': 67108864}}");
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             " 'driver': 'pc-dimm', 'id': 'd1',"
                             " 'memdev': 'm1'}}");
    qtest_writel(qts, 0x100000000, NEW);
    g_assert_cmphex(qtest_readl(qts, 0x100000000), ==, NEW);
    check_faults(v);
    ret = qtest_qmp_assert_success_ref(qts, "{'execute': 'query-ram-view'}");
    g_assert_cmpint(qlist_size(qdict_get_qlist(ret, "blocks")), ==, 1);
    qobject_unref(ret);
    view_end(v);
    /* But now it would be */
    check_refused(qts, "Memory backend 'm1' is private");
    qtest_quit(qts);
}

/*** The end of a view ***/

static void test_hangup(void)
{
    QTestState *qts = start(MACHINE MEMFD);
    View *v = view_open(qts);
    Writer *writer = writer_start_to_wait(v);

    /* Nobody answers any more, but the userfaultfd lives on with our copy */
    view_hang_up(v);
    writer_end(writer);
    check_closed(qts, "hangup");
    view_free(v);

    v = view_open(qts);
    check_faults(v);
    view_end(v);
    qtest_quit(qts);
}

static void test_close(void)
{
    QTestState *qts = start(MACHINE MEMFD);
    View *v = view_open(qts);
    Writer *writer = writer_start_to_wait(v);
    char byte;

    qobject_unref(qtest_qmp_assert_success_ref(qts, "{'exec-oob':"
                                               " 'ram-view-close'}"));
    writer_end(writer);
    check_closed(qts, "close");
    g_assert_cmpint(read(v->sock, &byte, 1), ==, 0);
    view_free(v);

    check_error(qtest_qmp(qts, "{'execute': 'ram-view-close'}"), "No view");
    check_error(qtest_qmp(qts, "{'exec-oob': 'ram-view-close'}"), "No view");

    v = view_open(qts);
    qtest_qmp_assert_success(qts, "{'execute': 'ram-view-close'}");
    check_closed(qts, "close");
    view_free(v);
    qtest_quit(qts);
}

/* Closed and opened again, with nobody waiting for the events */
static void test_again(void)
{
    QTestState *qts = start(MACHINE MEMFD);
    int i;

    for (i = 0; i < 100; i++) {
        View *v = view_open(qts);

        if (i % 2) {
            check_faults(v);
        }
        qobject_unref(qtest_qmp_assert_success_ref(qts, "{'exec-oob':"
                                                   " 'ram-view-close'}"));
        view_free(v);
    }
    for (i = 0; i < 100; i++) {
        qobject_unref(qtest_qmp_eventwait_ref(qts, "RAM_VIEW_CLOSED"));
    }
    g_assert_false(is_open(qts));
    g_assert_null(qtest_qmp_event_ref(qts, "RAM_VIEW_CLOSED"));
    qtest_quit(qts);
}

/*** Discards ***/

typedef struct Balloon {
    QGuestAllocator alloc;
    QPCIBus *bus;
    QVirtioPCIDevice *pci;
    QVirtQueue *vq;
} Balloon;

static Balloon *balloon_start(QTestState *qts)
{
    Balloon *b = g_new0(Balloon, 1);
    QPCIAddress addr = { .devfn = QPCI_DEVFN(4, 0) };
    QVirtioDevice *vdev;

    pc_alloc_init(&b->alloc, qts, ALLOC_NO_FLAGS);
    b->bus = qpci_new_pc(qts, &b->alloc);
    b->pci = virtio_pci_new(b->bus, &addr);
    g_assert_nonnull(b->pci);
    vdev = &b->pci->vdev;
    g_assert_cmpint(vdev->device_type, ==, VIRTIO_ID_BALLOON);
    qvirtio_pci_device_enable(b->pci);
    qvirtio_start_device(vdev);
    qvirtio_set_features(vdev, qvirtio_get_features(vdev) &
                         (1ull << VIRTIO_F_VERSION_1));
    b->vq = qvirtqueue_setup(vdev, &b->alloc, 0);
    qvirtio_set_driver_ok(vdev);
    return b;
}

static void balloon_inflate(QTestState *qts, Balloon *b, uint64_t addr)
{
    QVirtioDevice *vdev = &b->pci->vdev;
    uint64_t pfn = guest_alloc(&b->alloc, 4);
    uint32_t head;

    qtest_writel(qts, pfn, addr >> VIRTIO_BALLOON_PFN_SHIFT);
    head = qvirtqueue_add(qts, b->vq, pfn, 4, false, false);
    qvirtqueue_kick(qts, vdev, b->vq, head);
    qvirtio_wait_used_elem(qts, vdev, b->vq, head, NULL, 30 * G_USEC_PER_SEC);
}

static void test_balloon(void)
{
    QTestState *qts = start("-machine pc,memory-backend=ram -m 128M "
                            "-nodefaults " MEMFD
                            "-device virtio-balloon-pci,addr=4");
    Balloon *b = balloon_start(qts);
    View *v = view_open(qts);

    qtest_writel(qts, ADDR, OLD);
    balloon_inflate(qts, b, ADDR);
    g_assert_cmphex(view_read(v, ADDR), ==, OLD);
    view_end(v);

    balloon_inflate(qts, b, ADDR);
    g_assert_cmphex(qtest_readl(qts, ADDR), ==, 0);

    qvirtqueue_cleanup(b->pci->vdev.bus, b->vq, &b->alloc);
    qvirtio_pci_device_disable(b->pci);
    g_free(b->pci);
    qpci_free_pc(b->bus);
    alloc_destroy(&b->alloc);
    g_free(b);
    qtest_quit(qts);
}

static void test_virtio_mem(void)
{
    QTestState *qts = start(MACHINE MEMFD "-m 128M,slots=2,maxmem=1G "
        "-object memory-backend-memfd,id=m1,size=128M "
        "-device virtio-mem-pci,id=vm1,memdev=m1 ");

    check_refused(qts, "Device 'vm1' (virtio-mem-pci) discards");
    qtest_quit(qts);
}

#define ADD_VIRTIO_MEM \
    "{'execute': 'device_add', 'arguments': { 'driver': 'virtio-mem-pci'," \
    " 'id': 'vm1', 'bus': 'rp', 'memdev': 'm1'}}"

/* A device that discards, or pins, cannot come when a view is open */
static void test_virtio_mem_hotplug(void)
{
    QTestState *qts = start(MACHINE MEMFD "-m 128M,slots=2,maxmem=1G "
        "-object memory-backend-memfd,id=m1,size=128M "
        "-device pcie-root-port,id=rp");
    View *v = view_open(qts);

    check_error(qtest_qmp(qts, ADD_VIRTIO_MEM), "Discarding RAM is disabled");
    view_end(v);
    qtest_qmp_assert_success(qts, ADD_VIRTIO_MEM);
    check_refused(qts, "Device 'vm1' (virtio-mem-pci) discards");
    qtest_quit(qts);
}

/*** Refusals ***/

static void test_private(void)
{
    check_start_refused("Memory backend 'pc.ram' is private or anonymous",
                        "-machine q35 -m 128M -nodefaults");
    check_start_refused("Memory backend 'ram' is private or anonymous",
                        MACHINE "-object memory-backend-ram,id=ram,size=128M");
    check_start_refused("Memory backend 'ram' is private or anonymous",
                        MACHINE "-object memory-backend-memfd,id=ram,size=128M,"
                        "share=off");
}

static void test_read_only(void)
{
    g_autofree char *path = file_create("/dev/shm");
    g_autofree char *args = NULL;

    if (!path) {
        g_test_skip("no file can be created in /dev/shm");
        return;
    }
    args = g_strdup_printf("-machine q35,memory-backend=ram,nvdimm=on "
                           "-m 128M,slots=2,maxmem=1G -nodefaults " MEMFD
                           "-object memory-backend-file,id=m1,size=128M,"
                           "share=on,readonly=on,mem-path=%s "
                           "-device nvdimm,memdev=m1,unarmed=on", path);
    check_start_refused("Memory backend 'm1' is read-only", args);
    unlink(path);
}

static void test_disk(void)
{
    g_autofree char *path = file_create(g_get_tmp_dir());
    g_autofree char *args = NULL;
    struct statfs fs;

    g_assert_nonnull(path);
    g_assert_cmpint(statfs(path, &fs), ==, 0);
    if (fs.f_type == TMPFS_MAGIC) {
        g_test_skip("the folder of temporary files is a tmpfs");
    } else {
        args = g_strdup_printf(MACHINE "-object memory-backend-file,id=ram,"
                               "size=128M,share=on,mem-path=%s", path);
        check_start_refused("must be a memfd or on tmpfs or hugetlbfs", args);
    }
    unlink(path);
}

static void test_socket(void)
{
    QTestState *qts = start(MACHINE MEMFD);
    char buf[4096] = "";
    int sv[2];

    check_error(qtest_qmp(qts, "{'execute': 'ram-view-open',"
                          " 'arguments': {'fdname': 'none'}}"), "'none'");

    g_assert_true(g_unix_open_pipe(sv, FD_CLOEXEC, NULL));
    check_error(open_with(qts, sv[1]), "'view' is not a stream socket");
    close(sv[0]);
    close(sv[1]);

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), ==, 0);
    check_error(open_with(qts, sv[1]), "'view' is not a stream socket");
    close(sv[0]);
    close(sv[1]);

    sv[0] = socket(AF_INET, SOCK_STREAM, 0);
    check_error(open_with(qts, sv[0]), "'view' is not a stream socket");
    close(sv[0]);

    sv[0] = socket(AF_UNIX, SOCK_STREAM, 0);
    check_error(open_with(qts, sv[0]), "Cannot send the memory");
    close(sv[0]);

    /* The other end is gone, or reads nothing */
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    close(sv[0]);
    check_error(open_with(qts, sv[1]), "Cannot send the memory");
    close(sv[1]);

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    while (send(sv[1], buf, sizeof(buf), MSG_DONTWAIT) > 0) {
        /* fill it */
    }
    check_error(open_with(qts, sv[1]), "Cannot send the memory");
    close(sv[0]);
    close(sv[1]);

    /* None of them left anything behind */
    g_assert_false(is_open(qts));
    view_end(view_open(qts));
    qtest_quit(qts);
}

static void test_second(void)
{
    QTestState *qts = start(MACHINE MEMFD);
    View *v = view_open(qts);

    check_refused(qts, "there can be only one");
    check_faults(v);
    view_end(v);
    qtest_quit(qts);
}

/* As if QEMU had no right to create a userfaultfd */
static void forbid_userfaultfd(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_userfaultfd, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_ioctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
                 offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, USERFAULTFD_IOC_NEW, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { ARRAY_SIZE(code), code };

    g_assert_cmpint(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), ==, 0);
    g_assert_cmpint(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program),
                    ==, 0);
}

static void test_not_permitted(void)
{
    if (g_test_subprocess()) {
        forbid_userfaultfd();
        check_start_refused("No userfaultfd is permitted", MACHINE MEMFD);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

static void test_incoming(void)
{
    check_start_refused("An incoming migration", MACHINE MEMFD
                        "-incoming defer");
}

/*** vhost-user: a backend that knows just enough ***/

typedef struct Backend {
    char *path;
    int listener;
    int stop[2];
    GThread *thread;
} Backend;

/* Answers one message; false at the end of the connection */
static bool backend_answer(int fd)
{
    struct {
        uint32_t request, flags, size;
        uint64_t payload[64];
    } QEMU_PACKED msg;

    if (read(fd, &msg, 12) != 12) {
        return false;
    }
    g_assert_cmpint(msg.size, <=, sizeof(msg.payload));
    if (msg.size && read(fd, msg.payload, msg.size) != msg.size) {
        return false;
    }
    switch (msg.request) {
    case 1: /* VHOST_USER_GET_FEATURES */
        msg.payload[0] = 1ull << VIRTIO_F_VERSION_1 |
                         1ull << VHOST_USER_F_PROTOCOL_FEATURES;
        break;
    case 15: /* VHOST_USER_GET_PROTOCOL_FEATURES */
        msg.payload[0] = 0;
        break;
    default: /* takes no answer */
        return true;
    }
    msg.flags = 5;
    msg.size = 8;
    return write(fd, &msg, 20) == 20;
}

static void *backend_run(void *opaque)
{
    Backend *backend = opaque;
    struct pollfd fds[16] = {
        { backend->listener, POLLIN }, { backend->stop[0], POLLIN },
    };
    int nr = 2, i;

    while (poll(fds, nr, -1) > 0 && !fds[1].revents) {
        for (i = 2; i < nr; i++) {
            if (fds[i].revents && !backend_answer(fds[i].fd)) {
                close(fds[i].fd);
                fds[i].fd = -1;
            }
        }
        if (fds[0].revents) {
            g_assert_cmpint(nr, <, ARRAY_SIZE(fds));
            fds[nr].fd = accept(backend->listener, NULL, NULL);
            fds[nr].events = POLLIN;
            fds[nr++].revents = 0;
        }
    }
    for (i = 2; i < nr; i++) {
        if (fds[i].fd >= 0) {
            close(fds[i].fd);
        }
    }
    return NULL;
}

static Backend *backend_start(void)
{
    Backend *backend = g_new0(Backend, 1);

    backend->path = g_strdup_printf("%s/ram-view-%d", g_get_tmp_dir(),
                                    getpid());
    backend->listener = qtest_socket_server(backend->path);
    g_assert_true(g_unix_open_pipe(backend->stop, FD_CLOEXEC, NULL));
    backend->thread = g_thread_new("backend", backend_run, backend);
    return backend;
}

static void backend_end(Backend *backend)
{
    close(backend->stop[1]);
    g_thread_join(backend->thread);
    close(backend->stop[0]);
    close(backend->listener);
    unlink(backend->path);
    g_free(backend->path);
    g_free(backend);
}

static void test_vhost_user(void)
{
    Backend *backend = backend_start();
    QTestState *qts = start(MACHINE MEMFD
        "-chardev socket,id=c0,path=%s -netdev vhost-user,id=n0,chardev=c0",
        backend->path);

    check_refused(qts, "The vhost-user backend of chardev 'c0'");
    qtest_qmp_assert_success(qts, "{'execute': 'netdev_del',"
                             " 'arguments': {'id': 'n0'}}");
    view_end(view_open(qts));
    qtest_quit(qts);
    backend_end(backend);
}

static void test_vhost_user_hotplug(void)
{
    Backend *backend = backend_start();
    QTestState *qts = start(MACHINE MEMFD "-device pcie-root-port,id=rp "
        "-chardev socket,id=c0,path=%s -chardev socket,id=c1,path=%s",
        backend->path, backend->path);
    View *v = view_open(qts);

    check_error(qtest_qmp(qts, "{'execute': 'device_add', 'arguments': {"
                          " 'driver': 'vhost-user-blk-pci', 'bus': 'rp',"
                          " 'chardev': 'c0'}}"),
                "The vhost-user backend of chardev 'c0'");
    check_error(qtest_qmp(qts, "{'execute': 'netdev_add', 'arguments': {"
                          " 'type': 'vhost-user', 'id': 'n0',"
                          " 'chardev': 'c1'}}"), "close it");
    view_end(v);
    qtest_qmp_assert_success(qts, "{'execute': 'netdev_add', 'arguments': {"
                             " 'type': 'vhost-user', 'id': 'n0',"
                             " 'chardev': 'c1'}}");
    check_refused(qts, "The vhost-user backend of chardev 'c1'");
    qtest_quit(qts);
    backend_end(backend);
}

/*** Migration ***/

static void set_capability(QTestState *qts, const char *name, bool on)
{
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-set-capabilities',"
                             " 'arguments': {'capabilities': [ {"
                             " 'capability': %s, 'state': %i}]}}", name, on);
}

static QDict *start_migration(QTestState *qts, const char *uri)
{
    return qtest_qmp(qts, "{'execute': 'migrate', 'arguments': {'uri': %s}}",
                     uri);
}

static void wait_for_migration(QTestState *qts, const char *wanted)
{
    for (;;) {
        QDict *ret = qtest_qmp_assert_success_ref(qts, "{'execute':"
                                                  " 'query-migrate'}");
        g_autofree char *status = g_strdup(qdict_get_try_str(ret, "status"));

        qobject_unref(ret);
        if (!g_strcmp0(status, wanted)) {
            return;
        }
        g_assert_cmpstr(status, !=, "failed");
        g_assert_cmpstr(status, !=, "completed");
        g_usleep(1000);
    }
}

/* Whether what was written to ADDR goes into the stream, a file of this name */
static bool saves_memory_to(QTestState *qts, const char *path)
{
    g_autofree char *uri = g_strconcat("file:", path, NULL);
    g_autofree char *data = NULL;
    uint64_t mark[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };
    gsize size;

    qtest_memwrite(qts, ADDR, mark, sizeof(mark));
    g_assert_null(response_error(start_migration(qts, uri)));
    wait_for_migration(qts, "completed");
    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    return memmem(data, size, mark, sizeof(mark));
}

static bool saves_memory(QTestState *qts)
{
    g_autofree char *path = g_strdup_printf("%s/ram-view-%d.state",
                                            g_get_tmp_dir(), getpid());
    bool found = saves_memory_to(qts, path);

    unlink(path);
    /* It may migrate again */
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    return found;
}

static void test_ignore_shared(void)
{
    QTestState *qts = start(MACHINE MEMFD);
    View *v;

    set_capability(qts, "x-ignore-shared", true);
    g_assert_true(saves_memory(qts));
    v = view_open(qts);
    g_assert_false(saves_memory(qts));
    view_end(v);
    g_assert_true(saves_memory(qts));
    set_capability(qts, "x-ignore-shared", false);
    v = view_open(qts);
    g_assert_true(saves_memory(qts));
    view_end(v);
    qtest_quit(qts);
}

/* A view that ends in the middle leaves the stream as it was begun */
static void test_ignore_shared_hangup(void)
{
    QTestState *qts = start(MACHINE MEMFD "-S "
                            "-object memory-backend-ram,id=m1,size=64M "
                            "-m 128M,slots=2,maxmem=1G");
    g_autofree char *path = g_strdup_printf("%s/ram-view-%d.state",
                                            g_get_tmp_dir(), getpid());
    g_autofree char *uri = g_strconcat("file:", path, NULL);
    struct stat st;
    View *v = view_open(qts);

    set_capability(qts, "x-ignore-shared", true);
    set_capability(qts, "pause-before-switchover", true);
    qtest_memset(qts, ADDR, 0xa5, 64 * MiB);
    g_assert_null(response_error(start_migration(qts, uri)));
    wait_for_migration(qts, "pre-switchover");
    view_end(v);
    check_refused(qts, "A migration or background snapshot is at work");
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-continue', 'arguments':"
                             " {'state': 'pre-switchover'}}");
    wait_for_migration(qts, "completed");
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, <, 32 * MiB);
    unlink(path);

    /* The next one has the memory again */
    set_capability(qts, "pause-before-switchover", false);
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    g_assert_true(saves_memory(qts));
    qtest_quit(qts);
}

static void test_other_tracking(void)
{
    QTestState *qts = start(MACHINE MEMFD);
    View *v;

    set_capability(qts, "background-snapshot", true);
    v = view_open(qts);
    check_error(start_migration(qts, "file:/dev/null"),
                "A view of guest memory is open");
    check_faults(v);
    view_end(v);
    set_capability(qts, "background-snapshot", false);

    v = view_open(qts);
    set_capability(qts, "postcopy-ram", true);
    check_error(start_migration(qts, "file:/dev/null"),
                "A view of guest memory is open");
    view_end(v);
    set_capability(qts, "postcopy-ram", false);

    v = view_open(qts);
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-set-parameters',"
                             " 'arguments': {'mode': 'cpr-reboot'}}");
    check_error(start_migration(qts, "file:/dev/null"),
                "A view of guest memory is open");
    view_end(v);
    qtest_quit(qts);
}

/*** Private memory ***/

#define PRIVATE "-object memory-backend-memfd,id=ram,size=128M,share=off "

static uint32_t view_peek(View *v, uint64_t offset)
{
    uint32_t value;
    struct iovec local = { &value, sizeof(value) };
    struct iovec remote = { (void *)(uintptr_t)(v->host + offset),
                            sizeof(value) };

    g_assert_cmpint(process_vm_readv(qtest_pid(v->qts), &local, 1, &remote, 1,
                                     0), ==, sizeof(value));
    return le32_to_cpu(value);
}

static void check_private(const char *object)
{
    QTestState *qts = start(MACHINE "-S %s", object);
    View *v;

    check_refused(qts, "Memory backend 'ram' is private or anonymous");
    v = view_open_private(qts);
    g_assert_cmpint(v->nr_fds, ==, 0);
    g_assert_cmpint(v->size, ==, RAM_SIZE);
    g_assert_true(qdict_get_bool(view_block(v, 0), "private"));
    g_assert_false(qdict_haskey(view_block(v, 0), "fd-offset"));
    check_ranges(v);
    qtest_writel(qts, ADDR, NEW);
    g_assert_cmphex(view_peek(v, ADDR), ==, NEW);
    check_refused_by(qts, "there can be only one", open_private_with);
    view_end(v);
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    qtest_quit(qts);
}

static void test_private_memory(void)
{
    g_autofree char *path = file_create(g_get_tmp_dir());
    g_autofree char *object = NULL;

    check_private(PRIVATE);
    check_private("-object memory-backend-ram,id=ram,size=128M");
    g_assert_nonnull(path);
    object = g_strdup_printf("-object memory-backend-file,id=ram,size=128M,"
                             "share=off,readonly=on,rom=off,mem-path=%s", path);
    check_private(object);
    unlink(path);
}

/* It takes no userfaultfd */
static void test_private_not_permitted(void)
{
    if (g_test_subprocess()) {
        forbid_userfaultfd();
        check_private(PRIVATE);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

static void test_private_two_blocks(void)
{
    QTestState *qts = start(MACHINE PRIVATE "-S -m 128M,slots=2,maxmem=1G "
        "-object memory-backend-memfd,id=m1,size=64M "
        "-device pc-dimm,memdev=m1,id=d1");
    View *v = view_open_private(qts);
    QList *blocks = qdict_get_qlist(v->reply, "blocks");
    const QListEntry *entry;
    int nr_private = 0;

    g_assert_cmpint(qlist_size(blocks), ==, 2);
    QLIST_FOREACH_ENTRY(blocks, entry) {
        QDict *block = qobject_to(QDict, qlist_entry_obj(entry));

        nr_private += qdict_get_bool(block, "private");
        g_assert_cmpint(qdict_get_bool(block, "private"), ==,
                        qdict_get_int(block, "size") == RAM_SIZE);
    }
    g_assert_cmpint(nr_private, ==, 1);
    /* The descriptor of the other one */
    g_assert_cmpint(v->nr_fds, ==, 1);
    g_assert_cmpint(lseek(v->fds[0], 0, SEEK_END), ==, 64 * MiB);
    view_end(v);
    qtest_quit(qts);
}

static void test_private_running(void)
{
    QTestState *qts = start(MACHINE PRIVATE);

    check_refused_by(qts, "The machine runs", open_private_with);
    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
    view_end(view_open_private(qts));
    qtest_quit(qts);
}

/* The helper sees that the memory is going to change */
static void check_run(const char *object)
{
    QTestState *qts = start(MACHINE "-S %s", object);
    View *v = view_open_private(qts);
    char byte;

    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    g_assert_cmpint(recv(v->sock, &byte, 1, MSG_DONTWAIT), ==, 0);
    check_closed(qts, "run");
    view_free(v);

    /* And again */
    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
    view_end(view_open_private(qts));
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    g_assert_null(qtest_qmp_event_ref(qts, "RAM_VIEW_CLOSED"));
    qtest_quit(qts);
}

static void test_private_run(void)
{
    check_run(PRIVATE);
    check_run(MEMFD);
}

/* A view with a userfaultfd stays open */
static void test_run(void)
{
    QTestState *qts = start(MACHINE "-S " MEMFD);
    View *v = view_open(qts);

    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    check_faults(v);
    view_end(v);
    qtest_quit(qts);
}

/* The memory comes from a file, as that of the source does at first */
static void check_private_load(const char *object, const char *state)
{
    QTestState *qts = start(MACHINE "%s -incoming defer", object);
    g_autofree char *uri = g_strconcat("file:", state, NULL);

    set_capability(qts, "x-ignore-shared", true);
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming',"
                             " 'arguments': {'uri': %s}}", uri);
    wait_for_migration(qts, "completed");
    g_assert_cmphex(qtest_readl(qts, ADDR), ==, OLD);
    qtest_quit(qts);
}

static void test_private_ignore_shared(void)
{
    g_autofree char *path = file_create(g_get_tmp_dir());
    g_autofree char *state = g_strconcat(path, ".state", NULL);
    g_autofree char *object = NULL;
    uint32_t old = cpu_to_le32(OLD);
    QTestState *qts;
    View *v;
    int fd;

    g_assert_nonnull(path);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(pwrite(fd, &old, sizeof(old), ADDR), ==, sizeof(old));
    close(fd);
    object = g_strdup_printf("-object memory-backend-file,id=ram,size=128M,"
                             "share=off,readonly=on,rom=off,mem-path=%s", path);
    qts = start(MACHINE "-S %s", object);
    set_capability(qts, "x-ignore-shared", true);
    v = view_open_private(qts);
    g_assert_false(saves_memory_to(qts, state));
    view_end(v);
    check_private_load(object, state);
    /* The next one has the memory again; so that it may migrate again */
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
    g_assert_true(saves_memory(qts));
    qtest_quit(qts);
    unlink(path);
    unlink(state);
}

/*** What the host can ***/

/* As util/userfaultfd.c does it */
static bool host_has_userfaultfd(void)
{
    struct uffdio_api api = {
        .api = UFFD_API,
        .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
                    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
    };
    int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    int fd = dev >= 0 ? ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC) :
                        syscall(__NR_userfaultfd, O_CLOEXEC);
    bool ret = fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0;

    close(fd);
    close(dev);
    return ret;
}

static void test_host(void)
{
    g_test_skip("the host does not permit or support the userfaultfd");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("ram-view/refuse/not-permitted", test_not_permitted);
    qtest_add_func("ram-view/private/memory", test_private_memory);
    qtest_add_func("ram-view/private/not-permitted",
                   test_private_not_permitted);
    qtest_add_func("ram-view/private/running", test_private_running);
    qtest_add_func("ram-view/private/run", test_private_run);
    qtest_add_func("ram-view/private/ignore-shared",
                   test_private_ignore_shared);
    if (qtest_has_device("pc-dimm")) {
        qtest_add_func("ram-view/private/two-blocks", test_private_two_blocks);
    }
    if (!host_has_userfaultfd()) {
        qtest_add_func("ram-view/host", test_host);
        return g_test_run();
    }
    qtest_add_func("ram-view/memory/memfd", test_memfd);
    qtest_add_func("ram-view/memory/file", test_file);
    qtest_add_func("ram-view/memory/ram", test_ram);
    qtest_add_func("ram-view/memory/hugetlb", test_hugetlb);
    qtest_add_func("ram-view/dma", test_dma);
    qtest_add_func("ram-view/close", test_close);
    qtest_add_func("ram-view/hangup", test_hangup);
    qtest_add_func("ram-view/again", test_again);
    qtest_add_func("ram-view/run", test_run);
    qtest_add_func("ram-view/refuse/private", test_private);
    qtest_add_func("ram-view/refuse/disk", test_disk);
    qtest_add_func("ram-view/refuse/socket", test_socket);
    qtest_add_func("ram-view/refuse/second", test_second);
    qtest_add_func("ram-view/refuse/incoming", test_incoming);
    if (qtest_has_device("pc-dimm")) {
        qtest_add_func("ram-view/two-blocks", test_two_blocks);
        qtest_add_func("ram-view/hotplug", test_hotplug);
    }
    if (qtest_has_device("nvdimm")) {
        qtest_add_func("ram-view/refuse/read-only", test_read_only);
    }
    if (qtest_has_machine("pc") && qtest_has_device("virtio-balloon-pci")) {
        qtest_add_func("ram-view/balloon", test_balloon);
    }
    if (qtest_has_device("virtio-mem-pci")) {
        qtest_add_func("ram-view/refuse/virtio-mem", test_virtio_mem);
        qtest_add_func("ram-view/refuse/virtio-mem/hotplug",
                       test_virtio_mem_hotplug);
    }
    if (qtest_has_device("vhost-user-blk-pci")) {
        qtest_add_func("ram-view/refuse/vhost-user", test_vhost_user);
        qtest_add_func("ram-view/refuse/vhost-user/hotplug",
                       test_vhost_user_hotplug);
    }
    qtest_add_func("ram-view/migration/ignore-shared", test_ignore_shared);
    qtest_add_func("ram-view/migration/ignore-shared/hangup",
                   test_ignore_shared_hangup);
    qtest_add_func("ram-view/migration/other-tracking", test_other_tracking);
    return g_test_run();
}
