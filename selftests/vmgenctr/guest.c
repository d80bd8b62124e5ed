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
#include <unistd.h>

#include <linux/vmgenctr.h>

#include "guest.h"

#define DRIVER_PATH	"/sys/bus/platform/drivers/vmgenid"
#define CONFIGFS_PATH	"/sys/kernel/config"
#define ACPI_TABLES	"/sys/firmware/acpi/tables"

/* QEMU keeps the GUID this far behind the address that its table names. */
#define QEMU_GUID_OFFSET	40

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

const char *physical_map(uint64_t address, void **ret)
{
	long size = sysconf(_SC_PAGESIZE);
	uint64_t offset = address % size;
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
static uint64_t guid_address_in_table(const char *path)
{
	static const char name[] = "\x08VGIA\x0c";
	char table[4096];
	ssize_t size = file_read(path, table, sizeof(table));
	uint32_t base;
	char *entry;

	if (size < (ssize_t)sizeof(name))
		return 0;
	entry = memmem(table, size - sizeof(base), name, sizeof(name) - 1);
	if (!entry)
		return 0;
	memcpy(&base, entry + sizeof(name) - 1, sizeof(base));
	return le32toh(base) + QEMU_GUID_OFFSET;
}

static uint64_t guid_address(void)
{
	const char *given = getenv("VMGENCTR_GUID_ADDRESS");
	uint64_t address = 0;
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

const char *guid_map(uint8_t **ret)
{
	uint64_t address;
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

void guid_renew(uint8_t *guid)
{
	uint8_t fresh[GUID_SIZE];

	if (getrandom(fresh, sizeof(fresh), 0) != sizeof(fresh))
		abort();
	memcpy(guid, fresh, sizeof(fresh));
}

static bool is_counter_page(uint64_t address)
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
static uint64_t counter_page_in_range(uint64_t start, uint64_t end)
{
	long size = sysconf(_SC_PAGESIZE);
	uint64_t address;

	if (start % size || end - start >= 16 * size)
		return 0;
	for (address = start; address < end; address += size)
		if (is_counter_page(address))
			return address;
	return 0;
}

const char *counter_page_find(uint64_t *ret_address)
{
	unsigned long long start, end;
	uint64_t address = 0;
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
static size_t acpi_encode_path(const struct driver *driver, uint8_t *aml)
{
	char path[128], name[128] = "";
	uint8_t *segments, *p = aml;
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

/* A table of one statement, which the kernel executes when it loads it. */
static size_t acpi_build_notify(const struct driver *driver, uint8_t *table)
{
	static const uint8_t header[] =
		"SSDT" "\0\0\0\0" "\2\0" "VMGEN\0" "NOTIFY\0\0" "\1\0\0\0"
		"TEST" "\1\0\0";
	uint8_t *p = table + sizeof(header);
	pid_t tid = gettid();
	uint8_t sum = 0;
	size_t size, i;

	memcpy(table, header, sizeof(header));
	*p++ = 0x86;		/* NotifyOp */
	size = acpi_encode_path(driver, p);
	if (!size)
		return 0;
	p += size;
	*p++ = 0x0a;		/* BytePrefix */
	*p++ = 0x80;
	size = p - table;
	table[4] = size;
	/* Tables that are loaded at the same time must differ. */
	memcpy(table + 24, &tid, sizeof(tid));
	for (i = 0; i < size; i++)
		sum += table[i];
	table[9] = -sum;
	return size;
}

static const char *acpi_load(const char *directory, const uint8_t *table,
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
	uint8_t table[255];
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

int child_result(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
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
