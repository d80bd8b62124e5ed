/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What the parts of the library know of each other.  Nothing here is exported. */
#ifndef VMGEN_LIB_H
#define VMGEN_LIB_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmgen.h"

struct vmgenctr_info;
struct vmgenctr_generation_page;
struct vmgenctr_status_page;
struct msghdr;
struct source;

/* What a backend has just checked: the live word, raw as in the page, and the rest. */
struct reading {
	struct source *source;
	uint64_t word;
	struct vmgen_info info;
	bool lost;		/* the descriptor is closed, or another file has its number */
};

/* Which file a descriptor stands for. */
struct file {
	dev_t dev, rdev;
	ino_t ino;
};

/*
 * How one kind of counter is opened, mapped and asked.  sync() returns 0 only for a
 * generation that it has just checked, and where the kernel tells when it is ready for
 * one, only when it is.  Every function must be safe in a signal handler and against
 * itself: no locks, no allocation.
 */
struct backend {
	uint32_t id;		/* enum vmgen_backend */
	bool blind;		/* there is no counter: fork() ends an epoch, and so may a watch */
	bool reads;		/* sync() needs the descriptor, not only the mapping */
	size_t word;		/* offset of the live generation in its page */
	int (*open)(void);	/* a new descriptor, close-on-exec */
	int (*again)(const struct source *s);	/* another for the same device; or NULL */
	int (*map)(struct source *s, int fd);

	/*
	 * For guards, hence for sandboxes that kill: no system call but read(), and that
	 * from the descriptor of the source alone.
	 */
	int (*sync)(struct source *s, struct reading *ret);
	int (*read)(struct source *s, struct vmgenctr_info *ret);

	/*
	 * For a watch, which has an open file of its own.  seen() tells what is current
	 * and the kernel is ready for; the file has then seen it and is not readable
	 * until the next change.  1: there was one, whatever the number says.
	 */
	int (*watch)(void);	/* a new file to poll, close-on-exec */
	int (*seen)(int fd, struct vmgen_info *ret);
	int (*await)(void);	/* a file that tells when it may be back; or NULL */
};

extern const struct backend vmgen_backend_vmgenctr;
extern const struct backend vmgen_backend_vmclock;
extern const struct backend vmgen_backend_sysgenid;
extern const struct backend vmgen_backend_uevent;
extern const struct backend vmgen_backend_none;

/*
 * One mapped counter.  It is the first page of its own frame, which stays mapped
 * for the life of the process because guards point into it:
 *
 *	source | records | generation page | records | generation page ...
 *	       | status page | pages for tests
 *
 * The generation page is mapped as often as there are pages of records, so that a guard
 * can enter many epochs before somebody has to map another frame.  Once published, only
 * fd, error, used, live and the records change.
 */
#define VMGEN_PAIRS		8	/* where there is a counter */
#define VMGEN_PAGE_RECORDS	(VMGEN_RECORDS / VMGEN_STRIDE)

struct source {
	const struct backend *ops;
	struct source *prev;	/* the one that this replaced */
	char *generation;	/* the first of its mappings */
	char *status;
	int fd;
	struct file device;	/* what was opened */
	struct file file;	/* what fd was when we had opened it */
	int error;		/* of a blind one: why there is no counter */
	uint32_t pairs;
	uint32_t used;		/* records handed out */
	uint64_t flags;		/* VMGEN_INFO_FORK */
	vmgen_word *live;	/* newest record */
	/* The live word of each record's epoch, which fork() and retiring leave alone. */
	vmgen_word words[VMGEN_PAIRS * VMGEN_PAGE_RECORDS];
};

/* device.c */
int vmgen_device_open(const char *path, const char *name);

/* fork.c */
bool vmgen_fork_wipe(void *addr, size_t size);
void vmgen_fork_check(void);

/* frame.c */
int vmgen_frame_new(const struct backend *ops, struct source **ret);
int vmgen_frame_map(void *at, size_t size, int prot, int fd, off_t offset);
int vmgen_frame_generation(struct source *s, int fd, off_t offset);
struct source *vmgen_frame_of(const vmgen_word *record);
void vmgen_frame_free(struct source *s);
size_t vmgen_page_size(void);

/* guard.c */
/*
 * All records of vmgen_never share the live word at the end, which is 0.  The first
 * record is 0 and never live; this one is 0 + 1 and always live, for what nobody
 * could check.
 */
#define VMGEN_UNCHECKED	(&vmgen_never[VMGEN_STRIDE / 8])
int vmgen_epoch_read(struct reading *now, const vmgen_word **ret);

/* process.c */
uint32_t vmgen_process(void);
void vmgen_process_forget(void);

/* reason.c */
void vmgen_reason_note(vmgen_guard *g, const vmgen_word *record);

/* record.c */
const vmgen_word *vmgen_record_get(struct source *s, uint64_t word);
bool vmgen_record_room(const struct source *s, uint64_t word);
uint64_t vmgen_record_word(const vmgen_word *record);
void vmgen_record_retire(struct source *s);
void vmgen_record_forget(struct source *s);

/* seal.c */
bool vmgen_sealed(void);

/* source.c */
int vmgen_source_check(struct reading *ret);
int vmgen_source_sync(struct reading *ret);
int vmgen_source_renew(struct source *s);
int vmgen_source_refill(struct source *s);
int vmgen_source_extend(struct source *s);
int vmgen_source_force(const struct backend *ops);
int vmgen_source_fd(const struct source *s);
void vmgen_source_disown(int fd);
struct source *vmgen_source_current(void);
bool vmgen_source_alike(const struct source *a, const struct source *b);

/* probe.c */
bool vmgen_is_absent(int error);
int vmgen_probe_list(const struct backend *const *list, size_t n, struct source **ret);
int vmgen_probe(struct source **ret);
int vmgen_probe_again(const struct source *s, struct source **ret);
int vmgen_probe_absence(int error);
const struct backend *vmgen_probe_force(const struct backend *ops);

/* none.c */
int vmgen_none_new(int error, struct source **ret);
void vmgen_none_changed(uint64_t number);

/* page.c */
struct page {
	uint64_t generation;
	uint64_t flags;
};
int vmgen_page_generation(const struct vmgenctr_generation_page *p, struct page *ret);
int vmgen_page_status(const struct vmgenctr_status_page *p, uint64_t generation,
		      struct vmgen_info *ret);

/* vmgenctr.c, vmclock.c, sysgenid.c: also for the test backend and the fuzzers */
void vmgenctr_info(struct vmgen_info *ret, const struct vmgenctr_info *info);
int vmgenctr_map(struct source *s, int fd);
int vmgenctr_sync(struct source *s, struct reading *ret);
int vmgen_vmclock_page(const void *at, struct page *ret);
int vmgen_vmclock_map(struct source *s, int fd);
int vmgen_vmclock_sync(struct source *s, struct reading *ret);
int vmgen_sysgenid_word(uint64_t word, struct page *ret);
int vmgen_sysgenid_map(struct source *s, int fd);
int vmgen_sysgenid_sync(struct source *s, struct reading *ret);

/* uevent.c */
int vmgen_uevent_receive(int fd, uint64_t *seqnum);
bool vmgen_uevent_announced(void);
bool vmgen_uevent_parse(const char *message, size_t size, uint64_t *seqnum);

/* sys.c */
int vmgen_sys_fd(int fd);
int vmgen_sys_open(const char *path);
int vmgen_sys_dup(int fd);
int vmgen_sys_close(int fd);
ssize_t vmgen_sys_read(int fd, void *buf, size_t size);
ssize_t vmgen_sys_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t vmgen_sys_write(int fd, const void *buf, size_t size);
void vmgen_sys_wait(uint32_t *word, uint32_t value);
void vmgen_sys_wake(uint32_t *word);
uint32_t vmgen_sys_pid(void);

static inline uint64_t vmgen_source_word(const struct source *s)
{
	return __atomic_load_n((const vmgen_word *)(s->generation + s->ops->word),
			       __ATOMIC_ACQUIRE);
}

#endif /* VMGEN_LIB_H */
