/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm.h"

#define STRING(x)	#x
#define NUMBER(x)	STRING(x)

/* Descriptors of a QEMU. */
#define MEMORY_FD	10
#define QMP_FD		11
#define SERIAL_FD	12
#define GDB_FD		13

const char vm_guid[] = "5b1c4f2a-0d1e-4c55-9d7e-3a1f6f0c2b01";

/* --- Memory ----------------------------------------------------------------------- */

int vm_memory_new(void)
{
	int fd = memfd_create("guest memory", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)VM_MEMORY))
		die("no memory for a guest: %s", strerror(errno));
	return fd;
}

static void *map_memory(int fd)
{
	void *p = mmap(NULL, VM_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("cannot map the guest's memory: %s", strerror(errno));
	return p;
}

static int open_file(const char *file, int flags)
{
	int fd = open(file, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		die("%s: %s", file, strerror(errno));
	return fd;
}

void vm_memory_save(int memory, const char *file)
{
	int to = open_file(file, O_RDWR | O_CREAT | O_TRUNC);
	void *p = map_memory(memory);

	write_all(to, p, VM_MEMORY);
	munmap(p, VM_MEMORY);
	close(to);
}

void vm_memory_load(int memory, const char *file)
{
	int from = open_file(file, O_RDONLY);
	char *p = map_memory(memory);
	size_t done = 0;
	ssize_t n;

	while (done < VM_MEMORY && (n = read(from, p + done, VM_MEMORY - done)) > 0)
		done += (size_t)n;
	if (done != VM_MEMORY)
		die("%s is no memory of a guest", file);
	munmap(p, VM_MEMORY);
	close(from);
}

/* --- Processes -------------------------------------------------------------------- */

enum role { PARENT, CLONE };

static size_t copy(const char **to, const char *const *from)
{
	size_t n;

	for (n = 0; from[n]; n++)
		to[n] = from[n];
	return n;
}

static void arguments(const char **arg, const struct machine *m, char *console,
		      const char *guid, enum role role, bool incoming)
{
	const char *const common[] = {
		m->qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-S",
		"-machine", "pc,memory-backend=ram", "-cpu", "qemu64", "-smp", "1",
		"-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
		"-global", "migration.store-global-state=off",
		"-chardev", console, "-serial", "chardev:console",
		"-chardev", "socket,id=serial,fd=" NUMBER(SERIAL_FD), "-serial", "chardev:serial",
		"-chardev", "socket,id=qmp,fd=" NUMBER(QMP_FD), "-mon", "chardev=qmp,mode=control",
		NULL
	};
	/* What is loaded has its kernel in memory: to read the files again takes time. */
	const char *const load[] = { "-incoming", "defer", NULL };
	const char *const boot[] = {
		"-kernel", m->kernel, "-initrd", m->initramfs,
		"-append", "console=ttyS0 loglevel=6 panic=-1 oops=panic panic_on_warn=1 nokaslr",
		NULL
	};

	arg += copy(arg, common);
	*arg++ = "-m";
	*arg++ = text("%zuM", VM_MEMORY >> 20);
	*arg++ = "-object";
	*arg++ = text("memory-backend-file,id=ram,size=%zuM,mem-path=/proc/self/fd/%d,share=%s",
		      VM_MEMORY >> 20, MEMORY_FD, role == PARENT ? "on" : "off");
	*arg++ = "-device";
	*arg++ = text("vmgenid,guid=%s,counter=%s", guid, m->counter ? "on" : "off");
	if (role == PARENT) {
		*arg++ = "-chardev";
		*arg++ = "socket,id=gdb,fd=" NUMBER(GDB_FD);
		*arg++ = "-gdb";
		*arg++ = "chardev:gdb";
	}
	arg += copy(arg, incoming ? load : boot);
	*arg = NULL;
}

/* One end becomes a descriptor of QEMU's; the other one is returned. */
static int pair(int *theirs)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		die("socketpair: %s", strerror(errno));
	*theirs = fcntl(fds[1], F_DUPFD_CLOEXEC, GDB_FD + 1);
	close(fds[1]);
	return fds[0];
}

static __attribute__((noreturn)) void become_qemu(const struct machine *m, const char *name,
						  const char *guid, enum role role, bool incoming,
						  const int *theirs)
{
	static const int wanted[] = { QMP_FD, SERIAL_FD, GDB_FD };
	char *errors = text("%s/%s.stderr", m->scratch, name);
	const char *argv[80];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < 3; i++)
		dup2(theirs[i], wanted[i]);
	dup2(m->memory, MEMORY_FD);
	dup2(open_file("/dev/null", O_RDONLY), 0);
	dup2(open_file(errors, O_WRONLY | O_CREAT | O_TRUNC), 1);
	dup2(1, 2);
	arguments(argv, m, text("file,id=console,path=%s/%s.console", m->scratch, name), guid, role,
		  incoming);
	execv(m->qemu, (char *const *)argv);
	perror(m->qemu);
	_exit(127);
}

static void start(struct vm *vm, const struct machine *m, const char *name, const char *guid,
		  enum role role, bool incoming)
{
	int theirs[3];

	vm->qmp.fd = pair(&theirs[0]);
	vm->serial = pair(&theirs[1]);
	vm->gdb.fd = pair(&theirs[2]);
	vm->machine = m;
	vm->name = text("%s", name);
	vm->used = 0;
	vm->heard[0] = '\0';
	vm->pid = fork();
	if (vm->pid < 0)
		die("fork: %s", strerror(errno));
	if (!vm->pid)
		become_qemu(m, name, guid, role, incoming, theirs);
	for (int i = 0; i < 3; i++)
		close(theirs[i]);
}

static void start_parent(struct vm *vm, const struct machine *m, bool incoming)
{
	start(vm, m, "parent", vm_guid, PARENT, incoming);
	qmp_open(&vm->qmp, vm->qmp.fd);
	gdb_attach(&vm->gdb, vm->gdb.fd);
}

void vm_end(struct vm *vm)
{
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	close(vm->qmp.fd);
	close(vm->serial);
	close(vm->gdb.fd);
	free(vm->name);
}

void vm_resume(struct vm *vm, const struct machine *m, const char *state)
{
	start_parent(vm, m, true);
	qmp_load(&vm->qmp, state);
}

void vm_clone(struct vm *vm, const struct machine *m, const char *name, const char *guid)
{
	start(vm, m, name, guid, CLONE, true);
}

void vm_clone_run(struct vm *vm, const char *state)
{
	qmp_open(&vm->qmp, vm->qmp.fd);
	qmp_load(&vm->qmp, state);
	qmp_run(&vm->qmp);
}

/* --- What the guest says ---------------------------------------------------------- */

static void hear(struct vm *vm)
{
	struct pollfd p = { .fd = vm->serial, .events = POLLIN };
	size_t room = sizeof(vm->heard) - 1 - vm->used;
	ssize_t n = 0;

	if (room && poll(&p, 1, ANSWER_TIMEOUT * 1000) == 1)
		n = read(vm->serial, vm->heard + vm->used, room);
	if (n <= 0)
		die("the guest of the %s fell silent", vm->name);
	vm->used += (size_t)n;
	vm->heard[vm->used] = '\0';
}

const char *vm_await_line(struct vm *vm)
{
	char *end;
	size_t size;

	while (!(end = strchr(vm->heard, '\n')))
		hear(vm);
	size = (size_t)(end - vm->heard);
	memcpy(vm->line, vm->heard, size);
	vm->line[size] = '\0';
	vm->used -= size + 1;
	memmove(vm->heard, end + 1, vm->used + 1);
	return vm->line;
}

const char *vm_heard(struct vm *vm)
{
	vm->used += read_ready(vm->serial, vm->heard + vm->used, sizeof(vm->heard) - 1 - vm->used);
	vm->heard[vm->used] = '\0';
	return vm->heard;
}

/* --- Booting ---------------------------------------------------------------------- */

static char *base64(const char *from)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t size = strlen(from), i;
	char *s = calloc(1, size * 4 / 3 + 8), *to = s;
	uint32_t bits = 0;

	for (i = 0; s && i < size; i++) {
		bits = bits << 8 | (unsigned char)from[i];
		*to++ = digits[bits >> (2 + i % 3 * 2) & 63];
		if (i % 3 == 2)
			*to++ = digits[bits & 63];
	}
	if (s && size % 3)
		*to = digits[bits << (6 - size % 3 * 2) & 63];
	return s;
}

/* The agent's protocol is described in selftests/harness/agent.c. */
static void tell_agent(struct vm *vm, const char *command)
{
	char *encoded = base64(command), *request = text("\npoints %s\n", encoded);

	while (strcmp(vm_await_line(vm), "@ready"))
		;
	write_all(vm->serial, request, strlen(request));
	free(request);
	free(encoded);
}

void vm_boot(struct vm *vm, const struct machine *m, const char *command, uint64_t address)
{
	start_parent(vm, m, false);
	gdb_break_at(&vm->gdb, address);
	gdb_continue(&vm->gdb);
	tell_agent(vm, command);
	gdb_await_stop(&vm->gdb);
	gdb_no_break_at(&vm->gdb, address);
}
