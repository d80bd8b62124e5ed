#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# Usage: test/steps.sh [--interrupt] [STEP...]
#
# Kill vmfork at each step of each verb (steps.h), or interrupt it there as ^C does, and see
# that a machine that ran runs on, that "vmfork ls" shows what there is, and that "vmfork rm"
# leaves nothing.  The machines have no guest: their firmware runs.
#
# Environment: VMFORK       a vmfork that was built with TEST=1 [build-test/vmfork]
#              VMGEN_QEMU   what scripts/build prints [qemu-system-x86_64 of the PATH]
#
# Exit status: 0 all is well; 1 something is not; 2 wrong usage

# The functions of verbs are called by their names.
# shellcheck disable=SC2317

set -uo pipefail

: "${VMFORK:=$(dirname -- "$0")/../build-test/vmfork}"
VMFORK=$(realpath -- "$VMFORK")
QEMU=${VMGEN_QEMU:+$VMGEN_QEMU/bin/qemu-system-x86_64}
QEMU=${QEMU:-qemu-system-x86_64}
INTERRUPT=
FAILED=0
NUMBER=0
PATIENCE=8

vmfork() {
	"$VMFORK" --quiet "$@"
}

# The verb that dies at $STEP; what comes before and after does not.
dying() {
	VMFORK_DIE_AT=$STEP VMFORK_DIE_BY=${INTERRUPT:+INT} "$VMFORK" --quiet "$@"
}

machine() {
	vmfork run "$1" --memory 16M --qemu "$QEMU" -- -machine q35 -accel tcg -nodefaults
}

qemu_state() {
	"$VMFORK" --json status "$1" 2>/dev/null | jq -r '.machines[0]["qemu-state"] // "none"'
}

# Its guard may be at work yet: that is waited for.
runs() {
	local end=$((SECONDS + PATIENCE))

	while ((SECONDS < end)); do
		[[ $(qemu_state "$1") != running ]] || return 0
	done
	complain "$1 does not run: $(qemu_state "$1")"
}

complain() {
	printf '# %s\n' "$*"
	return 1
}

# What a snapshot has: each frame, so that none that is lost remains unseen.
memory() {
	sha256sum <"$("$VMFORK" --json status "$1" | jq -r '.snapshots[0].ram')"
}

# The firmware sets up all of it once more.
changes() {
	local said

	said=$(printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"system_reset"}' |
		socat -t 1 - "UNIX-CONNECT:$VMFORK_DIR/machines/$1/qmp.sock")
	[[ $said == *'"RESET"'* ]]
}

# Processes whose command line names the store.
processes() {
	pgrep -f -- "$VMFORK_DIR" | grep -vx -e $$ -e $BASHPID
}

# Names of machines and snapshots, whether they are whole or not.
folders() {
	find "$VMFORK_DIR/machines" "$VMFORK_DIR/snapshots" -mindepth 1 -maxdepth 1 -printf '%f\n'
}

nothing_left() {
	local names end=$((SECONDS + PATIENCE))

	# The guard may remove one that is listed here (3: it is not there).
	while readarray -t names < <(folders) && ((${#names[@]} > 0 && SECONDS < end)); do
		vmfork rm --force "${names[@]}" || [[ $? = 3 ]] || return
	done
	[[ -z $(folders) ]] || complain "rm left folders: $(folders)" || return
	! grep -F " $VMFORK_DIR" /proc/self/mountinfo || complain "rm left a mount" || return
	while processes >/dev/null; do
		((SECONDS < end)) || complain "rm left processes: $(processes)" || return
	done
}

# --- one function for each verb: what is there before, the verb, what must be so after ---

try_run() {
	dying run m --memory 16M --qemu "$QEMU" -- -machine q35 -accel tcg -nodefaults
}

try_snapshot() {
	machine m && runs m || return
	dying snapshot m s
	STATUS=$?
	runs m && return "$STATUS"
}

# An older view has to hand over.
try_snapshot_again() {
	local before

	machine m && runs m && vmfork snapshot m s1 || return
	before=$(memory s1)
	dying snapshot m s
	STATUS=$?
	runs m && changes m || return
	[[ $(memory s1) = "$before" ]] || complain "s1 has changed" || return
	return "$STATUS"
}

try_snapshot_of_fork() {
	machine m && runs m && vmfork snapshot m s1 && vmfork fork s1 || return
	dying snapshot s1-1 s
	STATUS=$?
	runs m && runs s1-1 && return "$STATUS"
}

try_fork() {
	machine m && runs m && vmfork snapshot m s || return
	dying fork s --count 2
	STATUS=$?
	runs m && return "$STATUS"
}

try_rollback() {
	machine m && runs m && vmfork snapshot m s || return
	dying rollback m s
	STATUS=$?
	runs m && vmfork rollback m s && runs m && return "$STATUS"
}

try_save() {
	machine m && runs m && vmfork snapshot m s || return
	dying save s "$SCRATCH/saved"
	STATUS=$?
	runs m || return 1
	# What looks whole is.
	[[ ! -e $SCRATCH/saved ]] || vmfork load "$SCRATCH/saved" l || return 1
	vmfork rm --force s || return 1
	! compgen -G "$SCRATCH/saved.partial-*" >/dev/null || complain "a partial folder is left" || return
	rm -rf "$SCRATCH/saved"
	return "$STATUS"
}

try_load() {
	machine m && runs m && vmfork snapshot m s && vmfork save s "$SCRATCH/saved" || return
	dying load "$SCRATCH/saved" l
	STATUS=$?
	rm -rf "$SCRATCH/saved"
	runs m && return "$STATUS"
}

try_rm() {
	machine m && runs m && vmfork snapshot m s || return
	dying rm s
	STATUS=$?
	runs m && return "$STATUS"
}

try_rm_machine() {
	machine m && machine other && runs m && runs other && vmfork snapshot m s || return
	dying rm m
	STATUS=$?
	runs other && return "$STATUS"
}

# --- the loop ----------------------------------------------------------------------------

# A step that a verb does not come to, with this QEMU, is no failure, but says so.
try() {
	local verb=$1 what='' wanted=137 status

	[[ ! $INTERRUPT ]] || wanted=130
	STEP=$2
	NUMBER=$((NUMBER + 1))
	SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/vmfork-steps.XXXXXX")
	export VMFORK_DIR=$SCRATCH/store
	"try_$verb" >"$SCRATCH/said" 2>&1
	status=$?
	if [[ $status = 0 ]]; then
		what=" # SKIP $verb does not come to this step here"
	fi
	vmfork ls >/dev/null && [[ $status = 0 || $status = "$wanted" ]] && nothing_left >>"$SCRATCH/said" 2>&1
	verdict $? "$verb dies at $STEP$what" "$status"
}

verdict() {
	if [[ $1 = 0 ]]; then
		echo "ok $NUMBER $2"
	else
		echo "not ok $NUMBER $2 (status $3)"
		sed 's/^/# /' "$SCRATCH/said"
		cat "$SCRATCH"/store/machines/*/guard.log 2>/dev/null | sed 's/^/# guard: /'
		FAILED=1
		folders | xargs -r "$VMFORK" --quiet rm --force >/dev/null 2>&1
	fi
	rm -rf "$SCRATCH"
}

verbs_of() {
	case $1 in
	run-*) echo run ;;
	launch-*) echo run fork rollback load ;;
	snapshot-*) echo snapshot snapshot_again snapshot_of_fork ;;
	fork-*) echo fork load ;;
	rollback-*) echo rollback ;;
	save-*) echo save ;;
	rm-*) echo rm rm_machine ;;
	esac
}

main() {
	local step verb steps

	[[ ${1:-} != --help ]] || { sed -n '3,/^$/s/^# \{0,1\}//p' "$0"; exit 0; }
	[[ ${1:-} != --interrupt ]] || { INTERRUPT=1; shift; }
	"$VMFORK" steps >/dev/null || { echo "$VMFORK is not built with TEST=1" >&2; exit 2; }
	steps=("$@")
	[[ $# -gt 0 ]] || readarray -t steps < <("$VMFORK" steps)
	for step in "${steps[@]}"; do
		for verb in $(verbs_of "$step"); do
			try "$verb" "$step"
		done
	done
	echo "1..$NUMBER"
	exit "$FAILED"
}

main "$@"
