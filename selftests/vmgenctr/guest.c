// SPDX-License-Identifier: GPL-2.0
/* What root can do to the guest from within. */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/vmgenctr.h>

#include "guest.h"

#define DRIVER_PATH	"/sys/bus/platform/drivers/vmgenid"
#define CONFIGFS_PATH	"/sys/kernel/config"
#define ACPI_TABLES	"/sys/firmware/acpi/tables"

/* QEMU keeps the GUID this far behind the address that its table names. */
#define QEMU_GUID_OFFSET	40

/* Nothing that a child waits for takes long; it may wait for ever if it fails. */
#define CHILD_SECONDS		20

static ssize_t file_read(const char *path, void *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, total = 0;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, (char *)buf + total, size - total)) > 0)
		total += n;
	close(fd);
	return n < 0 ? -errno : total;
}

static int file_write(const char *path, const void *buf, size_t size)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, buf, size) != (ssize_t)size)
		ret = errno ? -errno : -EIO;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

const char *physical_map(__u64 address, void **ret)
{
	long size = sysconf(_SC_PAGESIZE);
	__u64 offset = address % size;
	char *page;
	int fd;

	fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return "needs root and /dev/mem (CONFIG_DEVMEM)";
	page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    address - offset);
	close(fd);
	if (page == MAP_FAILED)
		return "/dev/mem is restricted (CONFIG_IO_STRICT_DEVMEM)";
	*ret = page + offset;
	return NULL;
}

/* Looks for: Name (VGIA, DWORD address) */
static __u64 guid_address_in_table(const char *path)
{
	static const char name[] = "\x08VGIA\x0c";
	char table[4096];
	ssize_t size = file_read(path, table, sizeof(table));
	__u32 base;
	char *entry;

	if (size < (ssize_t)sizeof(name))
		return 0;
	entry = memmem(table, size - sizeof(base), name, sizeof(name) - 1);
	if (!entry)
		return 0;
	memcpy(&base, entry + sizeof(name) - 1, sizeof(base));
	return le32toh(base) + QEMU_GUID_OFFSET;
}

static __u64 guid_address(void)
{
	const char *given = getenv("VMGENCTR_GUID_ADDRESS");
	__u64 address = 0;
	glob_t tables;
	size_t i;

	if (given)
		return strtoull(given, NULL, 0);
	if (glob(ACPI_TABLES "/SSDT*", 0, NULL, &tables))
		return 0;
	for (i = 0; i < tables.gl_pathc && !address; i++)
		address = guid_address_in_table(tables.gl_pathv[i]);
	globfree(&tables);
	return address;
}

const char *guid_map(__u8 **ret)
{
	__u64 address;
	const char *error;
	void *guid;

	if (geteuid())
		return "needs root to write the VM Generation ID";
	address = guid_address();
	if (!address)
		return "no address of the VM Generation ID: set VMGENCTR_GUID_ADDRESS";
	error = physical_map(address, &guid);
	if (!error)
		*ret = guid;
	return error;
}

void guid_renew(__u8 *guid)
{
	__u8 fresh[GUID_SIZE];

	if (getrandom(fresh, sizeof(fresh), 0) != sizeof(fresh))
		abort();
	memcpy(guid, fresh, sizeof(fresh));
}

static bool is_counter_page(__u64 address)
{
	const struct vmgenctr_generation_page *page;
	void *mapped;
	bool found;

	if (physical_map(address, &mapped))
		return false;
	page = mapped;
	found = le32toh(page->magic) == VMGENCTR_GENERATION_MAGIC;
	munmap(mapped, sysconf(_SC_PAGESIZE));
	return found;
}

/*
 * Small ranges only: the page has a range of its own or shares one with other
 * pages of its kind, and reading from large ones may have side effects.
 */
static __u64 counter_page_in_range(__u64 start, __u64 end)
{
	long size = sysconf(_SC_PAGESIZE);
	__u64 address;

	if (start % size || end - start >= 16 * size)
		return 0;
	for (address = start; address < end; address += size)
		if (is_counter_page(address))
			return address;
	return 0;
}

const char *counter_page_find(__u64 *ret_address)
{
	unsigned long long start, end;
	__u64 address = 0;
	char line[256];
	FILE *iomem;

	if (geteuid())
		return "needs root to find the page in /proc/iomem";
	iomem = fopen("/proc/iomem", "re");
	if (!iomem)
		return "needs /proc/iomem";
	while (!address && fgets(line, sizeof(line), iomem))
		if (sscanf(line, "%llx-%llx", &start, &end) == 2 &&
		    strstr(line, ": Reserved"))
			address = counter_page_in_range(start, end);
	fclose(iomem);
	if (!address)
		return "no counter page in the reserved ranges of /proc/iomem";
	*ret_address = address;
	return NULL;
}

const char *driver_find(struct driver *ret)
{
	DIR *dir = opendir(DRIVER_PATH);
	const char *error = "no device is bound to " DRIVER_PATH;
	struct dirent *entry;

	if (!dir)
		return "no driver at " DRIVER_PATH;
	while (error && (entry = readdir(dir))) {
		if (entry->d_type != DT_LNK || !strcmp(entry->d_name, "module"))
			continue;
		snprintf(ret->device, sizeof(ret->device), "%.63s",
			 entry->d_name);
		error = NULL;
	}
	closedir(dir);
	return error;
}

int driver_bind(const struct driver *driver)
{
	return file_write(DRIVER_PATH "/bind", driver->device,
			  strlen(driver->device));
}

int driver_unbind(const struct driver *driver)
{
	return file_write(DRIVER_PATH "/unbind", driver->device,
			  strlen(driver->device));
}

bool driver_bound(const struct driver *driver)
{
	char path[128];

	snprintf(path, sizeof(path), DRIVER_PATH "/%s", driver->device);
	return !access(path, F_OK);
}

/* ACPI's own encoding of an absolute path, from its printed form. */
static size_t acpi_encode_path(const struct driver *driver, __u8 *aml)
{
	char path[128], name[128] = "";
	__u8 *segments, *p = aml;
	char *segment, *save;

	snprintf(path, sizeof(path),
		 "/sys/bus/platform/devices/%s/firmware_node/path",
		 driver->device);
	if (file_read(path, name, sizeof(name) - 1) <= 0 || *name != '\\')
		return 0;
	*p++ = '\\';
	*p++ = 0x2f;		/* MultiNamePrefix */
	segments = p++;
	*segments = 0;
	for (segment = strtok_r(name + 1, ".\n", &save); segment;
	     segment = strtok_r(NULL, ".\n", &save)) {
		memset(p, '_', 4);
		memcpy(p, segment, strnlen(segment, 4));
		p += 4;
		++*segments;
	}
	return p - aml;
}

static __u8 acpi_sum(const __u8 *table, size_t size)
{
	__u8 sum = 0;

	while (size)
		sum += table[--size];
	return sum;
}

struct acpi_header {
	char signature[4];
	__le32 length;
	__u8 revision;
	__u8 checksum;
	char oem_id[6];
	char oem_table_id[8];
	__le32 oem_revision;
	char creator_id[4];
	__le32 creator_revision;
};

/* A table of one statement, which the kernel executes when it loads it. */
static size_t acpi_build_notify(const struct driver *driver, __u8 *table)
{
	struct acpi_header header = {
		.signature = "SSDT",
		.revision = 2,
		.oem_id = "VMGEN",
		.oem_table_id = "NOTIFY",
		/* Tables that are loaded at the same time must differ. */
		.oem_revision = htole32(gettid()),
		.creator_id = "TEST",
		.creator_revision = htole32(1),
	};
	__u8 *p = table + sizeof(header);
	size_t size;

	*p++ = 0x86;		/* NotifyOp */
	size = acpi_encode_path(driver, p);
	if (!size)
		return 0;
	p += size;
	*p++ = 0x0a;		/* BytePrefix */
	*p++ = 0x80;

	header.length = htole32(p - table);
	memcpy(table, &header, sizeof(header));
	header.checksum = -acpi_sum(table, p - table);
	memcpy(table, &header, sizeof(header));
	return p - table;
}

static const char *acpi_load(const char *directory, const __u8 *table,
			     size_t size)
{
	char path[96], signature[8];

	if (mkdir(directory, 0755))
		return "needs ACPI tables in configfs (CONFIG_ACPI_CONFIGFS)";
	snprintf(path, sizeof(path), "%s/aml", directory);
	if (file_write(path, table, size))
		return "cannot write an ACPI table";
	/* The table loads on close, which swallows errors. */
	snprintf(path, sizeof(path), "%s/signature", directory);
	if (file_read(path, signature, sizeof(signature)) <= 0)
		return "the ACPI table does not load";
	return NULL;
}

const char *acpi_notify(const struct driver *driver)
{
	char directory[64];
	__u8 table[255];
	const char *error;
	size_t size;

	if (geteuid())
		return "needs root to send an ACPI notification";
	size = acpi_build_notify(driver, table);
	if (!size)
		return "needs a device that comes from ACPI";
	if (access(CONFIGFS_PATH "/acpi", F_OK))
		mount("configfs", CONFIGFS_PATH, "configfs", 0, NULL);
	snprintf(directory, sizeof(directory),
		 CONFIGFS_PATH "/acpi/table/vmgenctr-%d", gettid());
	error = acpi_load(directory, table, size);
	rmdir(directory);
	return error;
}

unsigned int rounds(unsigned int by_default)
{
	const char *given = getenv("VMGENCTR_ROUNDS");

	return given ? strtoul(given, NULL, 0) : by_default;
}

pid_t child_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

void child_wait_asleep(pid_t pid)
{
	char path[32], line[128], state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	do {
		sched_yield();
		memset(line, 0, sizeof(line));
		if (file_read(path, line, sizeof(line) - 1) <= 0 ||
		    sscanf(line, "%*d %*s %c", &state) != 1)
			return;		/* it is gone already */
	} while (state == 'R');
}

static bool child_wait(pid_t pid, int *status)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	time_t end = time(NULL) + CHILD_SECONDS;

	while (time(NULL) <= end) {
		if (waitpid(pid, status, WNOHANG))
			return true;
		nanosleep(&tick, NULL);
	}
	return false;
}

int child_result(pid_t pid)
{
	int status = -1;

	if (!child_wait(pid, &status)) {
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int klog_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

unsigned int klog_count(int fd, const char *text)
{
	unsigned int count = 0;
	char record[8192];
	ssize_t n;

	for (;;) {
		n = read(fd, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;	/* records were overwritten */
		if (n <= 0)
			return count;
		record[n] = '\0';
		count += !!strstr(record, text);
	}
}
