#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# A QEMU without the series "view": the same verbs, by stopping and copying, and vmfork
# says so.

load helpers

setup_file() {
	: "${VMGEN_QEMU_STOCK:=$("$BATS_TEST_DIRNAME/../../scripts/build" qemu --stock)}"
	export MACHINE_QEMU=$VMGEN_QEMU_STOCK
}

@test "stock: snapshot, view, fork and rollback work by a copy, which vmfork says" {
	local count

	machine_run vm
	count=$(machine_hold vm 1 4096)
	is "$(vf snapshot vm snap | jq -r .how)" copy "how"
	machine_ask vm 1 write 2
	is "$(words_of "$(view_of snap ram)" 1)" "{\"1\":$count}" "pages in the view"
	vf fork snap --count 2 --name clone > /dev/null
	machine_follow clone-1 clone-2
	machine_await clone-1
	machine_await clone-2
	machine_ask clone-1 1 write 3
	holds clone-2 1 1 "$count"
	holds vm 1 2 "$count"
	vf rollback vm snap > /dev/null
	machine_await vm
	holds vm 1 1 "$count"
}

@test "stock: a snapshot is saved and loaded" {
	local count

	machine_run vm
	count=$(machine_hold vm 1 4096)
	vf snapshot vm snap
	vf save snap "$VM_ROOT/saved"
	vf load "$VM_ROOT/saved" copy > /dev/null
	machine_follow copy
	machine_await copy
	holds copy 1 1 "$count"
}

@test "stock: doctor says that this QEMU has no view, and what that costs" {
	local said

	said=$(vf doctor --qemu "$MACHINE_QEMU/bin/qemu-system-x86_64")
	is "$(jq -r .how <<< "$said")" copy "how"
	at_least "$(jq '."pause-us-per-gib"' <<< "$said")" 1 "cost"
	is "$(vf doctor --qemu "$VMGEN_QEMU/bin/qemu-system-x86_64" | jq -r .how)" view "how, with our QEMU"
}
