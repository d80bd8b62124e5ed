// SPDX-License-Identifier: GPL-2.0
/*
 * What a new VM Generation ID does.  Root writes one into guest memory, and
 * nobody is notified: it is up to read() to see it.
 */
#include <sched.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>

#include "../kselftest_harness.h"
#include "change.h"

#define RESEEDED	"crng reseeded due to virtual machine fork"

FIXTURE(guid)
{
	int fd;
	int klog;
	__u8 *live;
	__u8 at_first[GUID_SIZE];
	const struct vmgenctr_generation_page *page;
	const struct vmgenctr_status_page *status;
	struct vmgenctr_info before;
	bool by_hypervisor;
};

FIXTURE_SETUP(guid)
{
	const char *missing;
	char byte;

	self->fd = device_open();
	if (self->fd < 0)
		SKIP(return, "%s: %s", VMGENCTR_DEVICE, strerror(errno));
	missing = guid_map(&self->live);
	if (missing)
		SKIP(return, "%s", missing);
	self->klog = klog_open();
	if (self->klog < 0)
		SKIP(return, "/dev/kmsg: %s", strerror(errno));
	/* Before it is initialised, the CRNG does not say that it reseeds. */
	ASSERT_EQ(1, getrandom(&byte, 1, 0));
	memcpy(self->at_first, self->live, GUID_SIZE);
	self->page = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_GENERATION_PGOFF);
	self->status = DEVICE_MAP_OR_FAIL(self->fd, VMGENCTR_STATUS_PGOFF);
	ASSERT_EQ(0, device_read(self->fd, &self->before));
	self->by_hypervisor = info_by_hypervisor(&self->before);
	klog_count(self->klog, RESEEDED);
}

FIXTURE_TEARDOWN(guid)
{
	close(self->klog);
	close(self->fd);
}

static bool same_instance(const struct vmgenctr_info *a,
			  const struct vmgenctr_info *b)
{
	return !memcmp(a->instance_id, b->instance_id, sizeof(a->instance_id));
}

TEST_F(guid, that_stays_changes_nothing)
{
	struct vmgenctr_info after;

	memcpy(self->live, self->at_first, GUID_SIZE);
	ASSERT_EQ(0, device_read(self->fd, &after));
	EXPECT_EQ(0, memcmp(&self->before, &after, sizeof(after)));
	EXPECT_EQ(0, klog_count(self->klog, RESEEDED));
}

TEST_F(guid, is_seen_by_read_without_a_notification)
{
	struct vmgenctr_info after;

	guid_renew(self->live);
	ASSERT_EQ(0, device_read(self->fd, &after));
	EXPECT_FALSE(same_instance(&self->before, &after));
	EXPECT_LE(self->before.generation, after.generation);
	EXPECT_EQ(self->by_hypervisor,
		  self->before.generation == after.generation);
	EXPECT_EQ(after.generation, page_generation(self->page));
}

TEST_F(guid, has_reseeded_the_crng_when_read_returns)
{
	struct vmgenctr_info after;

	guid_renew(self->live);
	ASSERT_EQ(0, device_read(self->fd, &after));
	EXPECT_EQ(1, klog_count(self->klog, RESEEDED));
	EXPECT_TRUE(after.flags & VMGENCTR_INFO_F_CRNG_RESEEDED);
	ASSERT_EQ(0, device_read(self->fd, &after));
	EXPECT_EQ(0, klog_count(self->klog, RESEEDED));
}

/* A short read promises as much as a long one. */
TEST_F(guid, has_reseeded_the_crng_when_a_short_read_returns)
{
	__u64 generation;

	guid_renew(self->live);
	ASSERT_EQ(sizeof(generation),
		  read(self->fd, &generation, sizeof(generation)));
	EXPECT_EQ(1, klog_count(self->klog, RESEEDED));
	EXPECT_EQ(generation, page_ready_generation(self->status));
}

TEST_F(guid, is_in_the_status_page_when_read_returns)
{
	__u32 seq = self->status->seq_count;
	struct vmgenctr_info after;

	guid_renew(self->live);
	ASSERT_EQ(0, device_read(self->fd, &after));
	EXPECT_EQ(after.generation, page_ready_generation(self->status));
	EXPECT_EQ(0, memcmp(self->status->instance_id, after.instance_id,
			    sizeof(after.instance_id)));
	EXPECT_NE(seq, __atomic_load_n(&self->status->seq_count,
				       __ATOMIC_RELAXED));
	EXPECT_EQ(0, self->status->seq_count % 2);
}

TEST_F(guid, is_seen_on_a_file_that_was_opened_later)
{
	struct vmgenctr_info after, later;
	int fd;

	guid_renew(self->live);
	fd = device_open();
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, device_read(fd, &after));
	ASSERT_EQ(0, device_read(self->fd, &later));
	EXPECT_FALSE(same_instance(&self->before, &after));
	EXPECT_EQ(0, memcmp(&after, &later, sizeof(after)));
	close(fd);
}

TEST_F(guid, and_generation_make_the_instance_id)
{
	struct vmgenctr_info other, back;

	guid_renew(self->live);
	ASSERT_EQ(0, device_read(self->fd, &other));
	memcpy(self->live, self->at_first, GUID_SIZE);
	ASSERT_EQ(0, device_read(self->fd, &back));
	EXPECT_FALSE(same_instance(&other, &back));
	/* The same GUID again, but in software mode it is a new generation. */
	EXPECT_EQ(self->by_hypervisor, same_instance(&self->before, &back));
}

/* As the kernel prints it, and as it lies in memory. */
static void guid_print(const __u8 *guid, char text[2][40])
{
	int i, pos;

	snprintf(text[0], 40, "%02x%02x%02x%02x-%02x%02x-%02x%02x-",
		 guid[3], guid[2], guid[1], guid[0], guid[5], guid[4],
		 guid[7], guid[6]);
	for (i = 0, pos = 0; i < GUID_SIZE; i++)
		pos += snprintf(text[1] + pos, 40 - pos, "%02x", guid[i]);
}

/* Half of the GUID, wherever it starts, is too much. */
static bool holds_part_of(const __u8 *guid, const void *data, size_t size)
{
	int i;

	for (i = 0; i <= GUID_SIZE - 8; i++)
		if (memmem(data, size, guid + i, 8))
			return true;
	return false;
}

TEST_F(guid, is_not_in_what_everyone_can_read)
{
	struct vmgenctr_info info;
	__u8 copy[GUID_SIZE];

	guid_renew(self->live);
	memcpy(copy, self->live, sizeof(copy));
	ASSERT_EQ(0, device_read(self->fd, &info));
	EXPECT_FALSE(holds_part_of(copy, &info, sizeof(info)));
	EXPECT_FALSE(holds_part_of(copy, self->page, page_size()));
	EXPECT_FALSE(holds_part_of(copy, self->status, page_size()));
}

TEST_F(guid, is_not_printed)
{
	struct vmgenctr_info info;
	char text[2][40];
	int klog;

	guid_renew(self->live);
	guid_print(self->live, text);
	ASSERT_EQ(0, device_read(self->fd, &info));
	EXPECT_EQ(0, klog_count(self->klog, text[0]));
	/* What was there at boot is in the log since boot, if at all. */
	guid_print(self->at_first, text);
	klog = klog_open();
	ASSERT_LE(0, klog);
	lseek(klog, 0, SEEK_SET);
	EXPECT_EQ(0, klog_count(klog, text[0]));
	lseek(klog, 0, SEEK_SET);
	EXPECT_EQ(0, klog_count(klog, text[1]));
	close(klog);
}

/* As the header says how to read it: again, when the sequence count says so. */
static void status_read(const struct vmgenctr_status_page *status,
			struct vmgenctr_info *ret)
{
	__u32 seq;

	do {
		seq = __atomic_load_n(&status->seq_count, __ATOMIC_ACQUIRE);
		ret->generation = page_ready_generation(status);
		memcpy(ret->instance_id, status->instance_id,
		       sizeof(ret->instance_id));
		/* Pairs with the writer's barrier before the last increment. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (seq % 2 || seq != __atomic_load_n(&status->seq_count,
						   __ATOMIC_RELAXED));
}

TEST_F_TIMEOUT(guid, is_never_mixed_up_with_the_next_one, 120)
{
	unsigned int i, n = rounds(3000), both = 0;
	struct vmgenctr_info told, shown;
	pid_t pid;

	if (self->by_hypervisor)
		SKIP(return, "generations do not tell the GUIDs apart");
	pid = child_fork();
	ASSERT_LE(0, pid);
	while (!pid) {
		guid_renew(self->live);
		device_read(self->fd, &told);
	}
	for (i = 0; i < n; i++) {
		status_read(self->status, &shown);
		/* The generation comes first, and what follows from it later. */
		ASSERT_LE(shown.generation, page_generation(self->page));
		ASSERT_EQ(0, device_read(self->fd, &told));
		ASSERT_LE(shown.generation, told.generation);
		status_read(self->status, &shown);
		ASSERT_LE(told.generation, shown.generation);
		if (told.generation != shown.generation)
			continue;
		ASSERT_TRUE(same_instance(&told, &shown));
		both++;
	}
	EXPECT_LT(0, both);
	kill(pid, SIGKILL);
	child_result(pid);
}

/* The log has room for this many, and is read this late. */
#define MOST_UNSEEN	64

static __u32 status_seq(const struct vmgenctr_status_page *status)
{
	return __atomic_load_n(&status->seq_count, __ATOMIC_ACQUIRE);
}

/* Makes one change after the other; each turns the sequence count by two. */
static void change_for_ever(int fd, __u8 *live,
			    const struct vmgenctr_status_page *status,
			    const __u32 *seen)
{
	struct vmgenctr_info info;
	__u32 unseen;

	for (;;) {
		unseen = status_seq(status) - __atomic_load_n(seen, __ATOMIC_RELAXED);
		if (unseen > 2 * MOST_UNSEEN) {
			sched_yield();
			continue;
		}
		guid_renew(live);
		device_read(fd, &info);
	}
}

static bool preempts(void)
{
	struct utsname name;

	return !uname(&name) && strstr(name.version, "PREEMPT");
}

static bool share_first_processor(void)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	return !sched_setaffinity(0, sizeof(first), &first);
}

/* From now on, whoever else is on this processor stands still while we run. */
static bool take_precedence(void)
{
	struct sched_param param = { .sched_priority = 1 };

	return !sched_setscheduler(0, SCHED_FIFO, &param);
}

/*
 * The kernel is stopped in the middle of its work, again and again, to see what
 * the status page claims and what the log proves.
 */
TEST_F_TIMEOUT(guid, is_in_the_status_page_only_after_the_reseed, 120)
{
	unsigned int i, samples = rounds(2000), reseeds = 0;
	__u32 start = status_seq(self->status), turns = 0;
	struct timespec nap = {};
	__u32 *seen;
	pid_t pid;

	seen = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, seen);
	*seen = start;
	if (!preempts() || !share_first_processor())
		SKIP(return, "needs a kernel that preempts itself");
	pid = child_fork();
	ASSERT_LE(0, pid);
	if (!pid)
		change_for_ever(self->fd, self->live, self->status, seen);
	if (!take_precedence())
		SKIP(return, "needs real-time scheduling");
	for (i = 0; i < samples; i++) {
		/* Not in step with what it interrupts. */
		nap.tv_nsec = 50000 + i * 37000 % 200000;
		nanosleep(&nap, NULL);
		*seen = status_seq(self->status);
		turns = (*seen - start) / 2;
		reseeds += klog_count(self->klog, RESEEDED);
		ASSERT_LE(turns, reseeds) TH_LOG("ready before the reseed");
	}
	EXPECT_LT(0, turns);
	kill(pid, SIGKILL);
	child_result(pid);
}

TEST_HARNESS_MAIN
