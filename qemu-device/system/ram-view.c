/*
 * View of guest memory for another process
 *
 * A helper process gets the files of the guest's memory and a userfaultfd, with
 * which it write-protects the memory: so it can keep what a page held at some
 * instant before the page changes.  See docs/interop/ram-view.rst.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/event_notifier.h"
#include "qemu/lockable.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "qemu/userfaultfd.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-ram-view.h"
#include "qapi/qapi-events-ram-view.h"
#include "exec/cpu-common.h"
#include "hw/qdev-core.h"
#include "migration/misc.h"
#include "monitor/monitor.h"
#include "system/dma.h"
#include "system/hostmem.h"
#include "system/ram-view.h"
#include "system/runstate.h"
#include "trace.h"
#include <poll.h>

/* As the kernel's SCM_MAX_FD, of which the userfaultfd takes one. */
#define RAM_VIEW_MAX_BLOCKS 252

#define RAM_VIEW_FEATURES (UFFD_FEATURE_PAGEFAULT_FLAG_WP | \
                           UFFD_FEATURE_WP_HUGETLBFS_SHMEM)

typedef struct RamViewEntry {
    HostMemoryBackend *backend;
    MemoryRegion *mr;
    void *host;
    size_t size;
    bool is_private;
} RamViewEntry;

/*
 * The main loop opens a view; only the watcher thread closes it.  While a view
 * is open, nobody changes blocks, uffd and sock.  When none is open, they are
 * the main loop's.
 */
static struct {
    QemuMutex lock;
    QemuCond cond;
    /* Protected by the lock */
    bool open;
    unsigned opened, closed; /* numbers of the latest view that was */
    EventNotifier wake;      /* valid while open */
    RamViewCloseReason reason; /* why wake was set */
    /* See above */
    int uffd, sock;          /* without uffd (-1), the machine does not run */
    GArray *blocks;
    /* Protected by the BQL */
    GSList *blockers;
} view;

static void __attribute__((constructor)) ram_view_init(void)
{
    qemu_mutex_init(&view.lock);
    qemu_cond_init(&view.cond);
    view.blocks = g_array_new(false, false, sizeof(RamViewEntry));
}

static RamViewEntry *ram_view_entry(guint i)
{
    return &g_array_index(view.blocks, RamViewEntry, i);
}

bool ram_view_is_open(void)
{
    QEMU_LOCK_GUARD(&view.lock);
    return view.open;
}

bool ram_view_add_blocker(Error *reason, Error **errp)
{
    GLOBAL_STATE_CODE();
    if (ram_view_is_open()) {
        error_setg(errp, "%s; close the view of guest memory first",
                   error_get_pretty(reason));
        return false;
    }
    view.blockers = g_slist_prepend(view.blockers, reason);
    return true;
}

void ram_view_del_blocker(Error *reason)
{
    GLOBAL_STATE_CODE();
    view.blockers = g_slist_remove(view.blockers, reason);
}

/* The watcher's work */

/*
 * The main loop may wait for a write fault meanwhile, with the BQL and inside
 * of an RCU critical section.  So there must be nothing in here that waits for
 * either of them, or that touches guest memory.  The blocks stay mapped, as we
 * hold references to them.
 */
static void ram_view_unregister(void)
{
    guint i;

    for (i = 0; i < view.blocks->len; i++) {
        RamViewEntry *entry = ram_view_entry(i);

        uffd_unregister_memory(view.uffd, entry->host, entry->size);
    }
    /* In write protection mode, the kernel wakes nobody by itself. */
    for (i = 0; i < view.blocks->len; i++) {
        RamViewEntry *entry = ram_view_entry(i);

        uffd_wakeup(view.uffd, entry->host, entry->size);
    }
    uffd_close_fd(view.uffd);
}

static void ram_view_release(void)
{
    if (view.uffd >= 0) {
        ram_view_unregister();
    }
    close(view.sock);
    ram_block_discard_disable_exclusive(false);
}

bool ram_view_has_block(RAMBlock *rb)
{
    guint i;

    for (i = 0; i < view.blocks->len; i++) {
        if (ram_view_entry(i)->mr->ram_block == rb) {
            return true;
        }
    }
    return false;
}

void ram_view_drop_blocks(void)
{
    guint i;

    GLOBAL_STATE_CODE();
    if (ram_view_is_open()) {
        return; /* these are the blocks of the next view */
    }
    for (i = 0; i < view.blocks->len; i++) {
        memory_region_unref(ram_view_entry(i)->mr);
    }
    g_array_set_size(view.blocks, 0);
}

static void ram_view_drop_blocks_bh(void *opaque)
{
    /* A migration has to find the same blocks from its beginning to its end. */
    if (!migration_is_running()) {
        ram_view_drop_blocks();
    }
}

static void *ram_view_watch(void *opaque)
{
    unsigned number = (uintptr_t)opaque;
    struct pollfd fds[] = {
        { .fd = view.sock, .events = POLLRDHUP },
        { .fd = event_notifier_get_fd(&view.wake), .events = POLLIN },
    };
    RamViewCloseReason reason = RAM_VIEW_CLOSE_REASON_HANGUP;

    RETRY_ON_EINTR(poll(fds, ARRAY_SIZE(fds), -1));
    if (fds[1].revents) {
        QEMU_LOCK_GUARD(&view.lock);
        reason = view.reason;
    }
    ram_view_release();
    trace_ram_view_closed(RamViewCloseReason_str(reason));

    WITH_QEMU_LOCK_GUARD(&view.lock) {
        event_notifier_cleanup(&view.wake);
        view.open = false;
    }
    /* A BH, because the last reference takes memory away. */
    aio_bh_schedule_oneshot(qemu_get_aio_context(), ram_view_drop_blocks_bh,
                            NULL);
    qapi_event_send_ram_view_closed(reason);
    WITH_QEMU_LOCK_GUARD(&view.lock) {
        view.closed = MAX(view.closed, number);
        qemu_cond_broadcast(&view.cond);
    }
    return NULL;
}

/* Call it with the lock held, while the view is open. */
static void ram_view_close(RamViewCloseReason reason)
{
    unsigned number = view.opened;

    view.reason = reason;
    event_notifier_set(&view.wake);
    while (view.closed < number) {
        qemu_cond_wait(&view.cond, &view.lock);
    }
}

/*
 * Without a userfaultfd, nobody can ask the helper before memory changes.  It
 * has to see that the socket is closed before the first write.
 */
static void ram_view_vm_state(void *opaque, bool running, RunState state)
{
    QEMU_LOCK_GUARD(&view.lock);
    if (running && view.open && view.uffd < 0) {
        ram_view_close(RAM_VIEW_CLOSE_REASON_RUN);
    }
}

void qmp_ram_view_close(Error **errp)
{
    /* Out of band, this does not run in the main loop and without the BQL. */
    QEMU_LOCK_GUARD(&view.lock);
    if (!view.open) {
        error_setg(errp, "No view of guest memory is open");
        return;
    }
    ram_view_close(RAM_VIEW_CLOSE_REASON_CLOSE);
}

/* What the view consists of */

typedef struct RamViewWalk {
    MemoryRegion *mr;
    RamViewRangeList **tail;
    RamViewRange *last;
} RamViewWalk;

static bool ram_view_add_range(Int128 start, Int128 len, const MemoryRegion *mr,
                               hwaddr offset, void *opaque)
{
    RamViewWalk *walk = opaque;
    RamViewRange *last = walk->last;
    hwaddr address = int128_get64(start);

    if (mr != walk->mr) {
        return false;
    }
    /* Parts that differ in attributes only, such as the PAM areas. */
    if (last && last->address + last->size == address &&
        last->offset + last->size == offset) {
        last->size += int128_get64(len);
        return false;
    }
    walk->last = g_new0(RamViewRange, 1);
    walk->last->address = address;
    walk->last->offset = offset;
    walk->last->size = int128_get64(len);
    QAPI_LIST_APPEND(walk->tail, walk->last);
    return false;
}

static RamViewRangeList *ram_view_ranges(MemoryRegion *mr)
{
    RamViewRangeList *ranges = NULL;
    RamViewWalk walk = { .mr = mr, .tail = &ranges };

    RCU_READ_LOCK_GUARD();
    flatview_for_each_range(address_space_to_flatview(&address_space_memory),
                            ram_view_add_range, &walk);
    return ranges;
}

static RamViewBlock *ram_view_block(RamViewEntry *entry)
{
    Object *backend = OBJECT(entry->backend);
    RAMBlock *rb = entry->mr->ram_block;
    const char *id = qemu_ram_get_idstr(rb);
    RamViewBlock *block = g_new0(RamViewBlock, 1);

    block->id = g_strdup(*id ? id :
                         object_get_canonical_path_component(backend));
    block->size = entry->size;
    block->page_size = qemu_ram_pagesize(rb);
    block->host = (uintptr_t)entry->host;
    block->q_private = entry->is_private;
    block->has_fd_offset = !entry->is_private;
    if (block->has_fd_offset && object_property_find(backend, "offset")) {
        block->fd_offset = object_property_get_uint(backend, "offset",
                                                    &error_abort);
    }
    block->ranges = ram_view_ranges(entry->mr);
    return block;
}

static RamViewBlockList *ram_view_blocks(void)
{
    RamViewBlockList *blocks = NULL, **tail = &blocks;
    guint i;

    for (i = 0; i < view.blocks->len; i++) {
        QAPI_LIST_APPEND(tail, ram_view_block(ram_view_entry(i)));
    }
    return blocks;
}

RamViewInfo *qmp_query_ram_view(Error **errp)
{
    RamViewInfo *info = g_new0(RamViewInfo, 1);

    info->open = ram_view_is_open();
    if (info->open) {
        info->has_blocks = true;
        info->blocks = ram_view_blocks();
    }
    return info;
}

/* Refusals */

typedef struct RamViewAdd {
    bool allow_private;
    Error **errp;
} RamViewAdd;

static bool ram_view_is_private(MemoryRegion *mr)
{
    return !qemu_ram_is_shared(mr->ram_block) || memory_region_get_fd(mr) < 0;
}

static bool ram_view_check_backend(HostMemoryBackend *backend,
                                   bool allow_private, Error **errp)
{
    MemoryRegion *mr = host_memory_backend_get_memory(backend);
    const char *id = object_get_canonical_path_component(OBJECT(backend));

    if (ram_view_is_private(mr) && !allow_private) {
        error_setg(errp, "Memory backend '%s' is private or anonymous: a view "
                   "needs memory-backend-memfd or memory-backend-file with "
                   "share=on (for the machine's main memory, select it with "
                   "-machine memory-backend=ID), or the argument 'private' "
                   "while the machine does not run", id);
        return false;
    }
    if (memory_region_is_rom(mr)) {
        error_setg(errp, "Memory backend '%s' is read-only: a view needs "
                   "readonly=off", id);
        return false;
    }
    return true;
}

static int ram_view_add_backend(Object *obj, void *opaque)
{
    RamViewAdd *add = opaque;
    HostMemoryBackend *backend;
    RamViewEntry entry;

    if (!object_dynamic_cast(obj, TYPE_MEMORY_BACKEND)) {
        return 0;
    }
    backend = MEMORY_BACKEND(obj);
    if (!host_memory_backend_is_mapped(backend)) {
        return 0;
    }
    if (!ram_view_check_backend(backend, add->allow_private, add->errp)) {
        return -1;
    }
    entry.backend = backend;
    entry.mr = host_memory_backend_get_memory(backend);
    entry.host = memory_region_get_ram_ptr(entry.mr);
    entry.size = memory_region_size(entry.mr);
    entry.is_private = ram_view_is_private(entry.mr);
    memory_region_ref(entry.mr);
    g_array_append_val(view.blocks, entry);
    return 0;
}

static bool ram_view_add_backends(bool allow_private, Error **errp)
{
    RamViewAdd add = { .allow_private = allow_private, .errp = errp };

    if (object_child_foreach_recursive(object_get_root(), ram_view_add_backend,
                                       &add)) {
        return false;
    }
    if (!view.blocks->len) {
        error_setg(errp, "The machine has no memory backend");
        return false;
    }
    if (view.blocks->len > RAM_VIEW_MAX_BLOCKS) {
        error_setg(errp, "The machine has %u memory backends: a view can have "
                   "%d", view.blocks->len, RAM_VIEW_MAX_BLOCKS);
        return false;
    }
    return true;
}

static const struct {
    const char *prefix, *reason;
} ram_view_bad_types[] = {
    { "vfio-", "lets hardware write to guest memory without a fault" },
    { "x-pci-proxy-dev", "lets another process write to guest memory" },
    { "virtio-mem", "discards guest memory" },
};

static int ram_view_check_device(Object *obj, void *opaque)
{
    Error **errp = opaque;
    const char *type = object_get_typename(obj);
    g_autofree char *path = NULL;
    const char *id;
    int i;

    if (!object_dynamic_cast(obj, TYPE_DEVICE)) {
        return 0;
    }
    for (i = 0; i < ARRAY_SIZE(ram_view_bad_types); i++) {
        if (!g_str_has_prefix(type, ram_view_bad_types[i].prefix)) {
            continue;
        }
        id = DEVICE(obj)->id;
        if (!id) {
            id = path = object_get_canonical_path(obj);
        }
        error_setg(errp, "Device '%s' (%s) %s: unplug it first", id, type,
                   ram_view_bad_types[i].reason);
        return -1;
    }
    return 0;
}

static bool ram_view_check_devices(Error **errp)
{
    if (view.blockers) {
        error_setg(errp, "%s", error_get_pretty(view.blockers->data));
        return false;
    }
    return !object_child_foreach_recursive(object_get_root(),
                                           ram_view_check_device, errp);
}

static bool ram_view_check_state(bool allow_private, Error **errp)
{
    if (ram_view_is_open()) {
        error_setg(errp, "A view of guest memory is open: there can be only "
                   "one, close it with ram-view-close first");
        return false;
    }
    if (runstate_check(RUN_STATE_INMIGRATE) ||
        migration_in_incoming_postcopy()) {
        error_setg(errp, "An incoming migration writes to guest memory: wait "
                   "for its end");
        return false;
    }
    if (migration_is_running()) {
        error_setg(errp, "A migration or background snapshot is at work: wait "
                   "for its end or cancel it with migrate_cancel");
        return false;
    }
    if (allow_private && runstate_is_live(runstate_get())) {
        error_setg(errp, "The machine runs: a view with private memory is "
                   "possible only while it does not, use stop first");
        return false;
    }
    return true;
}

static bool ram_view_check_socket(int fd, const char *fdname, Error **errp)
{
    int domain, type;
    socklen_t len = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
        domain != AF_UNIX || type != SOCK_STREAM) {
        error_setg(errp, "File descriptor '%s' is not a stream socket of the "
                   "UNIX domain: pass one end of a socketpair with getfd",
                   fdname);
        return false;
    }
    return true;
}

static int ram_view_create_uffd(Error **errp)
{
    uint64_t features;
    int fd;

    if (uffd_query_features(&features) < 0) {
        error_setg_errno(errp, errno, "No userfaultfd is permitted: let QEMU "
                         "open /dev/userfaultfd, or set the sysctl "
                         "vm.unprivileged_userfaultfd to 1, or give QEMU "
                         "CAP_SYS_PTRACE");
        return -1;
    }
    if (~features & RAM_VIEW_FEATURES) {
        error_setg(errp, "The host's kernel cannot write-protect shared memory "
                   "with userfaultfd: it takes Linux 5.19 or newer");
        return -1;
    }
    fd = uffd_create_fd(RAM_VIEW_FEATURES, true);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Cannot create a userfaultfd");
    }
    return fd;
}

/* Opening */

static bool ram_view_register(int uffd, Error **errp)
{
    guint i;

    for (i = 0; i < view.blocks->len; i++) {
        RamViewEntry *entry = ram_view_entry(i);
        Object *obj = OBJECT(entry->backend);
        const char *id = object_get_canonical_path_component(obj);
        uint64_t ioctls = 0;

        if (uffd_register_memory(uffd, entry->host, entry->size,
                                 UFFDIO_REGISTER_MODE_WP, &ioctls) < 0) {
            error_setg_errno(errp, errno, "Cannot watch the writes to memory "
                             "backend '%s': its file must be a memfd or on "
                             "tmpfs or hugetlbfs", id);
            return false;
        }
        if (!(ioctls & BIT(_UFFDIO_WRITEPROTECT))) {
            error_setg(errp, "The host's kernel cannot write-protect memory "
                       "backend '%s'", id);
            return false;
        }
    }
    return true;
}

static bool ram_view_send(int sock, int uffd, Error **errp)
{
    size_t max = (1 + view.blocks->len) * sizeof(int);
    g_autofree char *control = g_malloc0(CMSG_SPACE(max));
    char byte = 'V';
    struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = CMSG_SPACE(max),
    };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    int *fds = (int *)CMSG_DATA(cmsg);
    size_t size, n = 0;
    ssize_t ret;
    guint i;

    if (uffd >= 0) {
        fds[n++] = uffd;
    }
    for (i = 0; i < view.blocks->len; i++) {
        if (!ram_view_entry(i)->is_private) {
            fds[n++] = memory_region_get_fd(ram_view_entry(i)->mr);
        }
    }
    size = n * sizeof(int);
    cmsg->cmsg_len = CMSG_LEN(size);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    msg.msg_controllen = n ? CMSG_SPACE(size) : 0;
    /* A helper that reads nothing must not block the main loop. */
    ret = RETRY_ON_EINTR(sendmsg(sock, &msg, MSG_DONTWAIT));
    if (ret < 0) {
        error_setg_errno(errp, errno, "Cannot send the memory of the guest");
        return false;
    }
    return true;
}

static void ram_view_start(int sock, int uffd)
{
    QemuThread thread;
    unsigned number;

    view.sock = sock;
    view.uffd = uffd;
    WITH_QEMU_LOCK_GUARD(&view.lock) {
        view.open = true;
        number = ++view.opened;
    }
    qemu_thread_create(&thread, "ram-view", ram_view_watch,
                       (void *)(uintptr_t)number, QEMU_THREAD_DETACHED);
}

/*
 * Takes the socket only on success; the userfaultfd goes away on its own.
 * A machine that does not run needs none.
 */
static bool ram_view_share(int sock, bool watch, Error **errp)
{
    int uffd = -1;
    int ret;

    if (watch) {
        uffd = ram_view_create_uffd(errp);
        if (uffd < 0) {
            return false;
        }
    }
    ret = event_notifier_init(&view.wake, false);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Cannot create an event notifier");
        goto close_uffd;
    }
    if (watch && !ram_view_register(uffd, errp)) {
        goto cleanup;
    }
    if (!ram_view_send(sock, uffd, errp)) {
        goto cleanup;
    }
    ram_view_start(sock, uffd);
    return true;

cleanup:
    event_notifier_cleanup(&view.wake);
close_uffd:
    /* The kernel takes back the registrations with the last descriptor. */
    if (watch) {
        uffd_close_fd(uffd);
    }
    return false;
}

static bool ram_view_open(int sock, bool watch, Error **errp)
{
    if (ram_block_discard_disable_exclusive(true) < 0) {
        error_setg(errp, "A device needs to discard guest memory or to pin "
                   "it, so that its writes cause no fault (VFIO, vDPA, "
                   "encrypted memory and such): unplug it first");
        return false;
    }
    if (!ram_view_share(sock, watch, errp)) {
        ram_block_discard_disable_exclusive(false);
        return false;
    }
    return true;
}

/* Before all devices, which may write to memory as soon as they are told. */
static void ram_view_follow_vm_state(void)
{
    static VMChangeStateEntry *entry;

    if (!entry) {
        entry = qemu_add_vm_change_state_handler_prio(ram_view_vm_state, NULL,
                                                      INT_MIN);
    }
}

RamView *qmp_ram_view_open(const char *fdname, bool has_q_private,
                           bool q_private, Error **errp)
{
    bool allow_private = has_q_private && q_private;
    RamView *ret;
    int sock = monitor_get_fd(monitor_cur(), fdname, errp);

    if (sock < 0) {
        return NULL;
    }
    if (!ram_view_check_socket(sock, fdname, errp) ||
        !ram_view_check_state(allow_private, errp) ||
        !ram_view_check_devices(errp)) {
        goto fail;
    }
    ram_view_follow_vm_state();
    ram_view_drop_blocks();
    if (!ram_view_add_backends(allow_private, errp) ||
        !ram_view_open(sock, !allow_private, errp)) {
        ram_view_drop_blocks();
        goto fail;
    }
    trace_ram_view_open(view.blocks->len);
    ret = g_new0(RamView, 1);
    ret->blocks = ram_view_blocks();
    return ret;

fail:
    close(sock);
    return NULL;
}
