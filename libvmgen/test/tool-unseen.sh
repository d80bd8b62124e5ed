# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh disable=SC2016 # what jq and other shells expand
# `vmgen doctor` has no "ok" for what it could not look at, and says what that was.  A
# filter of system calls and a namespace of mounts keep things from it.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh
need jq
need unshare

# json FILTER: true of what is printed as JSON
json() {
	jq -e "$1" "$scratch/out" > /dev/null || die "not true of $(cat "$scratch/out"): $1"
}

# For LD_PRELOAD: system calls that fail, by the word in DENY.
cat > "$scratch/deny.c" << 'END'
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSE(number, error) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter children[] = {
	LOAD(nr),
#ifdef SYS_fork
	REFUSE(SYS_fork, EAGAIN), REFUSE(SYS_vfork, EAGAIN),
#endif
	REFUSE(SYS_clone, EAGAIN), REFUSE(SYS_clone3, ENOSYS), ALLOW
};
static struct sock_filter bytes[] = { LOAD(nr), REFUSE(SYS_getrandom, EPERM), ALLOW };
static struct sock_filter wiping[] = {
	LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
	LOAD(args[2]), REFUSE(18, EINVAL), ALLOW, ALLOW
};

static void install(struct sock_filter *filter, size_t size)
{
	struct sock_fprog program = { size / sizeof(*filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program))
		_exit(98);
}

__attribute__((__constructor__)) static void deny(void)
{
	const char *what = getenv("DENY");

	if (strcmp(what, "children") == 0)
		install(children, sizeof(children));
	if (strcmp(what, "bytes") == 0)
		install(bytes, sizeof(bytes));
	if (strcmp(what, "wiping") == 0)
		install(wiping, sizeof(wiping));
}
END
$CC -fPIC -shared -o "$scratch/deny.so" "$scratch/deny.c"
# C libraries run the constructors of preloaded libraries in different orders, but all run
# those of what a library needs before its own.
$CC -D_GNU_SOURCE -Iinclude -fPIC -shared -o "$scratch/denied.so" tools/test/preload.c \
	-Wl,--no-as-needed "$scratch/deny.so" "$BUILD/libvmgen.so"

# denied WHAT CHECK VERDICT WORD
denied() {
	DENY=$1 LD_LIBRARY_PATH=$BUILD LD_PRELOAD=$scratch/denied.so \
		"$BUILD/tools/vmgen" doctor --json > "$scratch/out" 2> "$scratch/err" ||
		[ $? = 1 ] || die "without $1: exit status $(cat "$scratch/err")"
	json "any(.checks[]; .check == \"$2\" and .verdict == \"$3\" and .complete == (\"$3\" != \"note\") and
		(.found | contains(\"$4\")))"
	json "all(.checks[]; .check != \"$2\" or .verdict != \"ok\")"
}

DENY=nothing LD_LIBRARY_PATH=$BUILD LD_PRELOAD=$scratch/deny.so "$BUILD/tools/vmgen" --version > "$scratch/out" ||
	{ echo "this program does not take a filter"; exit 77; }
denied children fork note 'could not be tried'
denied children openssl note openssl
denied bytes getrandom problem 'getrandom() fails: Operation not permitted'
denied wiping fork problem 'child of fork()'

# --- What is not there to be looked at --------------------------------------------

unshare -Urm true 2> /dev/null || { echo "no namespaces here"; exit 77; }
export scratch LD_LIBRARY_PATH="$BUILD"

# without COMMANDS [ARGUMENT...]: vmgen ARGUMENT..., or doctor --json, after COMMANDS in
# a namespace of mounts
without() {
	commands=$1; shift
	[ $# != 0 ] || set -- doctor --json
	status=0
	unshare -Urm sh -euc "$commands"'
		exec env LD_PRELOAD="$BUILD/tools/test/preload.so" "$BUILD/tools/vmgen" "$@"' sh "$@" \
		> "$scratch/out" 2> "$scratch/err" || status=$?
	[ "$status" -le 6 ] || die "after $commands: exit status $status $(cat "$scratch/err")"
}

without 'mount -t tmpfs none /sys'
json 'any(.checks[]; .check == "getrandom" and .verdict == "note" and .complete == false and
	(.found | contains("not known")) and .advice == "mount /sys")'

# Processes that are listed and may not be read: a user of a namespace without a mapping
# may not read the maps of processes outside.
mkfifo "$scratch/hold"
exec 9<> "$scratch/hold"
cat < "$scratch/hold" > /dev/null &
unshare -U env LD_PRELOAD="$BUILD/tools/test/preload.so" "$BUILD/tools/vmgen" doctor --json \
	> "$scratch/out" || [ $? = 1 ] || die "doctor: $(cat "$scratch/out")"
json 'all(.checks[]; .check != "processes" or .verdict != "ok")'
json 'any(.checks[]; .check == "processes" and .verdict == "note" and .complete == false and
	(.found | contains("that could be looked at")))'
json 'any(.checks[]; .check == "unseen" and .verdict == "note" and .complete == false)'
json '.incomplete == ([.checks[] | select(.complete | not)] | length) and .incomplete >= 2'
unshare -U env LD_PRELOAD="$BUILD/tools/test/preload.so" "$BUILD/tools/vmgen" doctor \
	> "$scratch/out" || [ $? = 1 ] || die "doctor: $(cat "$scratch/out")"
has "$(cat "$scratch/out")" '^incomplete: [1-9]'
! grep -q '^nothing to do$' "$scratch/out" || die "nothing to do, says $(cat "$scratch/out")"

# Processes that are not listed: the list has no first one.
for pid in self 4242; do
	mkdir -p "$scratch/proc/$pid"
	echo '00400000-00401000 r--p 00000000 00:00 0 /bin/true' > "$scratch/proc/$pid/maps"
done
without 'mount --bind "$scratch/proc" /proc'
json 'any(.checks[]; .check == "processes" and .verdict == "note" and .complete == false)'
json 'any(.checks[]; .check == "unseen" and (.found | contains("hidepid")))'
# One whose command line cannot be read, either.
rm -r "$scratch/proc/4242/maps"
mkdir -p "$scratch/proc/1" "$scratch/proc/4242/cmdline" "$scratch/proc/4242/maps"
cp "$scratch/proc/self/maps" "$scratch/proc/1"
without 'mount --bind "$scratch/proc" /proc'
json 'any(.checks[]; .check == "unseen" and (.found | endswith(": 1")))'
json 'any(.checks[]; .check == "processes" and .verdict == "note" and .complete == false)'

# --- A device that may not be opened ----------------------------------------------

# The master of terminals, in a file system of our own, is a device with mode 0000.  A
# user without a mapping has no capability that would override it.
without_device() {
	unshare -Urm sh -euc '
		mkdir -p "$scratch/pts" "$scratch/dev"
		mount -t devpts -o newinstance,ptmxmode=0 none "$scratch/pts"
		mount -t tmpfs -o mode=755 none "$scratch/dev"
		touch "$scratch/dev/null" "$scratch/dev/$1"
		mount --bind /dev/null "$scratch/dev/null"
		mount --bind "$scratch/pts/ptmx" "$scratch/dev/$1"
		mount --rbind "$scratch/dev" /dev
		unshare -U "$BUILD/tools/vmgen" status > "$scratch/status" || :
		unshare -U "$BUILD/tools/vmgen" doctor --json > "$scratch/out" || [ $? = 1 ]' sh "$1" \
		2> "$scratch/err" || die "with a $1 of its own: $(cat "$scratch/err")"
}

without_device vmclock0
json '.checks[0] | .verdict == "problem" and (.found | contains("there is /dev/vmclock0, which this user may not open; whether it has a counter is not known"))'
json '.checks[0].advice | contains("70-vmgen.rules")'
has "$(cat "$scratch/status")" '^device: */dev/vmclock0, which this user may not open; whether'
! grep -q 'there is a counter' "$scratch/out" "$scratch/status" || die "a guess: $(cat "$scratch/status")"
without_device vmgenctr
json '.checks[0] | .verdict == "problem" and (.found | contains("there is /dev/vmgenctr, which this user may not open"))'
json '.checks[0].found | contains("not known") | not'
has "$(cat "$scratch/status")" '^device: */dev/vmgenctr, which this user may not open$'

# --- No /proc at all ---------------------------------------------------------------

without 'mount -t tmpfs none /proc'
json 'any(.checks[]; .check == "processes" and .verdict == "note" and .complete == false and
	.advice == "mount /proc")'
