#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The whole cycle by a user who is not root and has no group.  The machine has no guest: its
# firmware runs.

load helpers

# A folder that this user can reach, with copies of the programs, which may be root's alone.
give() {
	chmod 711 "$VM_ROOT"
	mkdir "$VM_ROOT/bin" "$VM_ROOT/home"
	cp "$(dirname "$VMFORK")"/vmfork{,-view,-storage} "$VM_ROOT/bin"
	cp -r "$VMGEN_QEMU" "$VM_ROOT/qemu"
	chmod -R a+rX "$VM_ROOT/bin" "$VM_ROOT/qemu"
	truncate -s 16M "$VM_ROOT/home/base.raw"
	chown -R 65534:65534 "$VM_ROOT/home"
	QEMU=$VM_ROOT/qemu/bin/qemu-system-x86_64
	AS=()
}

# as_user VERB...; AS has more options for setpriv
as_user() {
	HOME=$VM_ROOT/home VMFORK_DIR=$VM_ROOT/home/store PATH=$VM_ROOT/qemu/bin:$PATH \
		setpriv --reuid=65534 --regid=65534 --clear-groups "${AS[@]}" \
		"$VM_ROOT/bin/vmfork" --json "$@" 3>&-
}

# cycle HOW: and that is how the memory is kept
cycle() {
	export VMFORK_DIR=$VM_ROOT/home/store
	is "$(as_user doctor --qemu "$QEMU" | jq -r .how)" "$1" "what doctor says"
	as_user run vm --memory 64M --disk "$VM_ROOT/home/base.raw" --qemu "$QEMU" -- \
		-machine q35 -accel tcg -nodefaults > /dev/null
	is "$(as_user snapshot vm one 2> "$VM_ROOT/warned" | jq -r .how)" "$1" "first snapshot"
	is "$(as_user snapshot vm two 2> /dev/null | jq -r .how)" "$1" "second snapshot"
	as_user fork one --count 2 --name clone > /dev/null
	as_user snapshot clone-1 of-clone > /dev/null
	as_user rollback vm one > /dev/null
	as_user save two "$VM_ROOT/home/saved" > /dev/null
	as_user load "$VM_ROOT/home/saved" loaded > /dev/null
	is "$(as_user ls | jq -r '.machines[].state' | sort | uniq -c | xargs)" "4 running" "machines"
	as_user rm --force vm one two clone-1 clone-2 of-clone loaded > /dev/null
	is "$(as_user ls | jq -c '[.machines, .snapshots]')" '[[],[]]' "what is left"
}

@test "unprivileged: without a userfaultfd memory is copied, and a warning says why" {
	if setpriv --reuid=65534 --regid=65534 --clear-groups test -w /dev/userfaultfd ||
		[[ $(< /proc/sys/vm/unprivileged_userfaultfd) == 1 ]]; then
		skip "each user may have a userfaultfd here"
	fi
	give
	cycle copy
	grep -q 'userfaultfd.*vmfork doctor' "$VM_ROOT/warned"
	is "$(as_user doctor --qemu "$QEMU" | jq -r '.checks[] | select(.check == "userfaultfd") | .do')" \
		"let the user open /dev/userfaultfd (a udev rule), or run vmfork as root" "what to do"
}

@test "unprivileged: with a userfaultfd it is a view" {
	give
	AS=(--inh-caps=+sys_ptrace --ambient-caps=+sys_ptrace)
	cycle view
	is "$(< "$VM_ROOT/warned")" '' "warnings"
}
