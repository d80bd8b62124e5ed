# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# shellcheck disable=SC2016,SC2034 # what the guest expands; G is for the tests
#
# What the bats files share.

bats_require_minimum_version 1.5.0

# shellcheck source=selftests/harness/vm.bash
. "$BATS_TEST_DIRNAME/../harness/vm.bash"
# shellcheck source=selftests/harness/witness.bash
. "$BATS_TEST_DIRNAME/../harness/witness.bash"
# shellcheck source=selftests/harness/notification.bash
. "$BATS_TEST_DIRNAME/../harness/notification.bash"

setup() {
	vm_init
}

# Also the verdict on the kernel's log of every machine of the test.
teardown() {
	local status=0

	vm_check_logs || status=1
	vm_cleanup
	return "$status"
}

# is GOT WANT WHAT
is() {
	[[ $1 == "$2" ]] || { echo "$3: got '$1', want '$2'" >&2; return 1; }
}

# isnt GOT UNWANTED WHAT; nothing at all is never right either
isnt() {
	[[ -n $1 && $1 != "$2" ]] || { echo "$3: got '$1'" >&2; return 1; }
}

at_least() {
	(($1 >= $2)) || { echo "$3: got '$1', want at least $2" >&2; return 1; }
}

# For a guest without /dev/vmclock0.  Since Linux 6.13, that is no reason to skip a test.
skip_vmclock() {
	grep -qsE '^# Linux/[^ ]+ 6\.([0-9]|1[0-2])\.' "$VMGEN_KERNEL/config" ||
		{ echo "there is no /dev/vmclock0, although this kernel has a driver" >&2; return 1; }
	skip "this kernel has no driver for vmclock (Linux 6.13)"
}

# lines_matching REGEX TEXT: how many
lines_matching() {
	grep -cE "$1" <<< "$2" || :
}

# genstat NAME WHAT...: what genstat prints, in the array G
genstat() {
	local name=$1 line out

	shift
	unset G
	declare -gA G
	out=$(vm_run "$name" "genstat $*") || return
	while read -r line; do
		G[${line%%=*}]=${line#*=}
	done <<< "$out"
}

# values FILE: "name=value" lines of a file, in the array G
values() {
	local line

	unset G
	declare -gA G
	while read -r line; do
		G[${line%%=*}]=${line#*=}
	done < "$1"
}

# in_background NAME WORD COMMAND: start it, and return when it has said WORD.
# Its output is in /run/out of the guest, its exit status in /run/status.
in_background() {
	vm_run "$1" "rm -f /run/out /run/status
		( $3 > /run/out 2> /run/err; echo \$? > /run/status ) < /dev/null > /dev/null 2>&1 &
		until grep -qs '$2' /run/out; do
			test ! -e /run/status || { cat /run/err; exit 1; }
			usleep 10000
		done"
}

# What it wrote after WORD, once it has ended.
background_output() {
	vm_run "$1" 'until test -e /run/status; do usleep 10000; done
		awk "said; /'"$2"'/ { said = 1 }" /run/out; exit $(cat /run/status)'
}

# waiting NAME COMMAND: start it in the background; returns when it sleeps in poll().
# Output and status are where in_background has them.
waiting() {
	vm_run "$1" "rm -f /run/out /run/status /run/pid
		( $2 > /run/out 2> /run/err & echo \$! > /run/pid; wait \$!; echo \$? > /run/status ) < /dev/null > /dev/null 2>&1 &
		until test -s /run/pid && grep -q poll /proc/\$(cat /run/pid)/wchan; do
			test ! -e /run/status || { cat /run/err; exit 1; }
			usleep 10000
		done"
}

# output NAME: of what was started by waiting(), once it has ended; and its status
output() {
	vm_run "$1" 'until test -e /run/status; do usleep 10000; done
		cat /run/out; exit $(cat /run/status)'
}

# spin_across MODE SNAPSPIN-MODE COUNT: leaves a snapshot of a clone of the fixture
# that runs snapspin, in $BATS_TEST_TMPDIR/spin.
spin_across() {
	vm_restore spin "$FIXTURE/$1"
	[[ -z ${MASKED:-} ]] || mask_notification spin
	in_background spin spinning "snapspin $2 $3"
	vm_save spin "$BATS_TEST_TMPDIR/spin"
	vm_stop spin
}

# samples_of NAME [WORD]: restore it, and print what its snapspin saw
samples_of() {
	vm_restore "$1" "$BATS_TEST_TMPDIR/spin" && background_output "$1" "${2:-spinning}"
}
