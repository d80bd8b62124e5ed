# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# What the bats files share.

bats_require_minimum_version 1.5.0

# shellcheck source=selftests/vmfork/machine.bash
. "$BATS_TEST_DIRNAME/machine.bash"

setup() {
	machine_init
}

# Also the verdict on the kernel's log of every machine, and on what vmfork rm leaves.
teardown() {
	local status=0

	vm_check_logs || status=1
	vm_stop_all
	machine_remove_all || status=1
	nothing_left || status=1
	machine_cleanup
	return "$status"
}

# What ends by itself when nobody needs it any more may take a moment.
nothing_left() {
	becomes 10 nothing_runs && return
	machine_processes | while read -r pid; do
		echo "still runs: $(tr '\0' ' ' < "/proc/$pid/cmdline" | cut -c1-200)" >&2
	done
	machine_mounts | sed 's/^/still mounted: /' >&2
	return 1
}

nothing_runs() {
	[[ -z $(machine_processes)$(machine_mounts) ]]
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

at_most() {
	[[ $1 ]] && (($1 <= $2)) && return
	echo "$3: got '$1', want at most $2" >&2
	return 1
}

# refused STATUS REGEX COMMAND...: fails so, and says so
refused() {
	local want=$1 regex=$2 rc=0 said

	shift 2
	said=$("$@" 2>&1 > /dev/null) || rc=$?
	[[ $rc =~ ^$want$ ]] || is "$rc" "$want" "exit status of: ${*:2:4} ($said)" || return
	[[ $said =~ $regex ]] || { echo "it said: $said" >&2; return 1; }
}

# becomes SECONDS COMMAND...: becomes true; for what another process does in its time
becomes() {
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		((SECONDS < end)) || { echo "never became true: $*" >&2; return 1; }
		read -rt 0.05 <> <(:) || :
	done
}

# running NAME: does QEMU let it run?
running() {
	[[ $(vm_qmp "$1" '{"execute":"query-status"}' | jq -r .running) == true ]]
}

stopped() {
	! running "$1"
}

# words_of FILE SET: how many pages have which number, as JSON
words_of() {
	viewcheck pages "$1" "$2" | jq -c .words
}

# holds NAME SET NUMBER COUNT: all pages of it have that number, seen by the guest itself
holds() {
	is "$(machine_ask "$1" "$2" check "$3")" "$4 of $4" "pages of $1 with the number $3"
}
