#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2030,SC2031 # each test has variables of its own
#
# All ways in which a machine can move or be copied, with a guest under load: the same
# GUID is the same machine, and nothing in it notices; another one is a copy, and all of
# it does.

load helpers

# load_guest NAME: it draws tokens, writes to memory and sleeps in poll().  What it has
# is remembered.
load_guest() {
	genstat "$1" read
	GENERATION=${G[read.generation]} INSTANCE=${G[read.instance]}
	in_background "$1" loaded movespan
}

restore_loaded() {
	vm_restore "$1" "$FIXTURE/hypervisor"
	load_guest "$1"
}

# seen_by NAME: what the guest saw on the other side, in G
seen_by() {
	background_output "$1" loaded > "$BATS_TEST_TMPDIR/$1"
	values "$BATS_TEST_TMPDIR/$1"
}

# Nothing has happened to it.
has_moved() {
	seen_by "$1"
	is "${G[first]}" "$GENERATION" "generation at the first look"
	is "${G[reseeds]}" 0 "reseeds"
	is "${G[readable]}" 0 "readable"
	is "${G[woken]}" 0 "woken"
	is "${G[generation]}" "$GENERATION" "generation"
	is "${G[ready]}" "$GENERATION" "ready generation"
	is "${G[instance]}" "$INSTANCE" "instance id"
}

# is_copy NAME [STEPS]: one generation older than its parent, or more
is_copy() {
	local generation=$((GENERATION + ${2:-1}))

	seen_by "$1"
	is "${G[first]}" "$generation" "generation at the first look"
	at_least "${G[reseeds]}" 1 "reseeds"
	is "${G[readable]}" 1 "readable"
	is "${G[woken]}" 1 "woken"
	is "${G[generation]}" "$generation" "generation"
	is "${G[ready]}" "$generation" "ready generation"
	is "${G[reseeded]}" 1 "reseeded"
	isnt "${G[instance]}" "$INSTANCE" "instance id"
}

# GUIDs of a target
same() {
	cat "$VM_ROOT/$1/guid"
}

running() {
	vm_qmp "$1" '{"execute":"query-status"}' | jq -r .running
}

@test "migration: live, to the same GUID, is nothing to a guest under load" {
	restore_loaded source
	VM_GUID=$(same source) vm_move source target
	is "$(running source)" false "the source runs"
	has_moved target
}

@test "migration: live, to another GUID, is a restore" {
	restore_loaded source
	VM_PAUSED=1 vm_move source target
	is "$(vm_generation target)" $((GENERATION + 1)) "page before any CPU runs"
	vm_qmp target '{"execute":"cont"}' > /dev/null
	is_copy target
}

@test "migration: live, to guid=auto, is a restore, too" {
	restore_loaded source
	VM_GUID=auto vm_move source target
	is_copy target
}

@test "migration: there and back, and on two virtual CPUs" {
	export VM_SMP=2 VM_GUID=00112233-4455-6677-8899-aabbccddeeff

	vm_boot a hypervisor
	load_guest a
	vm_move a b
	has_moved b
	load_guest b
	vm_move b c
	has_moved c
}

@test "migration: by several channels" {
	restore_loaded source
	export VM_CAPABILITIES=multifd
	VM_GUID=$(same source) vm_move source target
	has_moved target
	load_guest target
	vm_move target copy
	is_copy copy
}

# postcopy FROM TO: the guest runs while most of its memory is still on the source, which
# sends what is not asked for so slowly that it takes minutes.
postcopy() {
	export VM_CAPABILITIES=postcopy-ram

	vm_incoming "$2" "$VM_ROOT/$1/machine"
	vm_receive "$2" "unix:$VM_ROOT/$2/sock" || skip "postcopy: the host does not allow userfaultfd"
	vm_qmp "$1" "$(vm_capabilities)" \
		'{"execute":"migrate-set-parameters","arguments":{"max-bandwidth":1000000,"max-postcopy-bandwidth":100000}}' \
		"{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"unix:$VM_ROOT/$2/sock\"}}" \
		'{"execute":"migrate-start-postcopy"}' 'event:MIGRATION:"postcopy-active"' > /dev/null
	vm_await_migration "$2" postcopy-active
	vm_qmp "$2" '{"execute":"cont"}' > /dev/null
}

postcopy_ends() {
	is "$(vm_qmp "$2" '{"execute":"query-migrate"}' | jq -r .status)" postcopy-active "migration"
	vm_qmp "$1" '{"execute":"migrate-set-parameters","arguments":{"max-postcopy-bandwidth":0}}' > /dev/null
	vm_await_migration "$2" completed
}

@test "migration: postcopy, to the same GUID" {
	restore_loaded source
	VM_GUID=$(same source) postcopy source target
	is "$(vm_generation target)" "$GENERATION" "generation while memory is missing"
	postcopy_ends source target
	has_moved target
}

# The GUID is written into memory that has not arrived.
@test "migration: postcopy, to another GUID" {
	restore_loaded source
	postcopy source target
	genstat target page read
	is "${G[page.generation]}" $((GENERATION + 1)) "page while memory is missing"
	is "${G[read.generation]}" $((GENERATION + 1)) "read() while memory is missing"
	postcopy_ends source target
	is_copy target
}

@test "migration: the source of a background snapshot goes on, the copy is one" {
	restore_loaded source
	VM_CAPABILITIES=background-snapshot vm_migrate source "file:$VM_ROOT/saved" ||
		skip "background-snapshot: the host does not allow userfaultfd"
	cp "$VM_ROOT/source/machine" "$VM_ROOT/saved.machine"
	is "$(running source)" true "the source runs"
	genstat source read
	is "${G[read.generation]}" "$GENERATION" "generation of the source"
	is "${G[read.instance]}" "$INSTANCE" "instance id of the source"

	vm_restore copy "$VM_ROOT/saved"
	is_copy copy
}

@test "migration: files with the memory in its place, by one channel or several" {
	restore_loaded source
	for VM_CAPABILITIES in mapped-ram "mapped-ram multifd"; do
		vm_save source "$VM_ROOT/saved"
		VM_GUID=$(same source) vm_restore "moved${#VM_CAPABILITIES}" "$VM_ROOT/saved"
		has_moved "moved${#VM_CAPABILITIES}"
		vm_restore "copy${#VM_CAPABILITIES}" "$VM_ROOT/saved"
		is_copy "copy${#VM_CAPABILITIES}"
		vm_qmp source '{"execute":"cont"}' > /dev/null
	done
}

# boot_shared NAME BACKEND MACHINE-OPTION: with memory that other processes can map
boot_shared() {
	export VM_MACHINE=q35,memory-backend=ram$3
	vm_boot "$1" hypervisor -object "$2,id=ram,size=$(vm_default_memory)M,share=on"
	load_guest "$1"
}

@test "migration: clones of a template map its memory, and their clones are clones" {
	local -A tokens

	boot_shared template "memory-backend-file,mem-path=$VM_ROOT/ram" ''
	VM_CAPABILITIES=x-ignore-shared vm_save template "$VM_ROOT/saved"
	at_least 4000000 "$(stat -c %s "$VM_ROOT/saved")" "size of a file without memory"
	sed -i 's/share=on/share=off/' "$VM_ROOT/saved.machine"
	for clone in a b c; do
		VM_CAPABILITIES=x-ignore-shared vm_restore "$clone" "$VM_ROOT/saved"
		is_copy "$clone"
		tokens[${G[token]}]=$clone
	done
	is ${#tokens[@]} 3 "different first tokens"

	# What a clone has changed is its own: its memory is all in the stream.
	VM_CAPABILITIES=x-ignore-shared vm_save a "$VM_ROOT/again"
	at_least "$(stat -c %s "$VM_ROOT/again")" 8000000 "size of a file with memory"
	VM_CAPABILITIES=x-ignore-shared vm_restore child "$VM_ROOT/again"
	genstat child page read
	is "${G[page.generation]}" $((GENERATION + 2)) "page of a clone's clone"
	is "${G[read.generation]}" $((GENERATION + 2)) "read() of a clone's clone"
}

@test "migration: cpr-reboot, with the memory in a file" {
	export VM_CAPABILITIES=x-ignore-shared VM_PARAMETERS='"mode":"cpr-reboot"'

	boot_shared old "memory-backend-file,mem-path=$VM_ROOT/ram" ''
	vm_save old "$VM_ROOT/saved"
	VM_GUID=$(same old)
	vm_stop old
	VM_GUID=$VM_GUID vm_restore new "$VM_ROOT/saved"
	has_moved new
}

# A QEMU opens its monitor when the old one has said which memory to map.
cpr_transfer() {
	local from=$1 to=$2 cpr=$VM_ROOT/$2/cpr starting

	vm_new "$to"
	cp "$VM_ROOT/$from/machine" "$VM_ROOT/$to/machine"
	vm_start "$to" -incoming "unix:$VM_ROOT/$to/sock" \
		-incoming "cpr,addr.transport=socket,addr.type=unix,addr.path=$cpr" 3>&- &
	starting=$!
	until [[ -S $cpr ]]; do
		vm_alive "$starting" || return
	done
	vm_qmp "$from" "$vm_cpr" "$(cpr_migrate "$VM_ROOT/$to/sock" "$cpr")" > /dev/null
	wait "$starting"
	vm_arrived "$to"
}

vm_cpr='{"execute":"migrate-set-parameters","arguments":{"mode":"cpr-transfer"}}'

# cpr_migrate SOCKET CPR-SOCKET
cpr_migrate() {
	jq -cn --arg main "$1" --arg cpr "$2" '
		def channel(type; path): { "channel-type": type,
			addr: { transport: "socket", type: "unix", path: path } };
		{ execute: "migrate",
		  arguments: { channels: [channel("main"; $main), channel("cpr"; $cpr)] } }'
}

@test "migration: cpr-transfer, to the same GUID" {
	boot_shared old memory-backend-memfd ,aux-ram-share=on
	VM_GUID=$(same old) cpr_transfer old new
	has_moved new
}

@test "migration: cpr-transfer, to another GUID" {
	boot_shared old memory-backend-memfd ,aux-ram-share=on
	cpr_transfer old new
	is_copy new
}
