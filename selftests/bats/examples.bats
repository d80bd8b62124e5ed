#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# libvmgen's examples in machines that are restored: a pool of UUIDs that was in use, a
# server's ticket keys, and the program of README.md, which is started in each machine.  What can be tested without a machine is tested with libvmgen.

load helpers

readonly CLONES='a b c'

# ask NAME PROGRAM LINE: the answer of a program to a line
ask() {
	vm_run "$1" "echo $3 > /run/$2.in; head -n 1 /run/$2.out"
}

# The pipes stay open while somebody holds them.
start() {
	local program

	for program in uuid tls-ticket-key; do
		vm_run "$1" "mkfifo /run/$program.in /run/$program.out &&
			{ sleep 1000000 3<> /run/$program.in 4<> /run/$program.out > /dev/null 2>&1 & } &&
			{ $program < /run/$program.in > /run/$program.out 2> /dev/null & }" || return
	done
}

some_uuids() {
	local i

	for ((i = 0; i < 5; i++)); do
		ask "$1" uuid next
	done
}

# token BUILD LIBVMGEN: the program of README.md, for a guest that has no libraries
token() {
	awk '/^```$/ { on = 0 } on { print } /^```c$/ { on = 1 }' "$VM_TOP/README.md" > "$1/token.c"
	"${CC:-cc}" -O2 -static -I"$2/include" -o "$1/token" "$1/token.c" "$1/libvmgen.a"
}

setup_file() {
	local build=$BATS_FILE_TMPDIR/build libvmgen=${LIBVMGEN:-$VM_TOP/libvmgen} clone

	export ANSWERS=$BATS_FILE_TMPDIR
	make -s -C "$libvmgen" UAPI="$VM_TOP/kernel/include/uapi" BUILD="$build" \
		"$build"/examples/{uuid,tls-ticket-key} >&2
	token "$build" "$libvmgen"
	VMGEN_INITRAMFS=$("$VM_TOP/selftests/harness/initramfs" \
		--with "$build/token:/bin/token" \
		--with "$build/examples/uuid:/bin/uuid" \
		--with "$build/examples/tls-ticket-key:/bin/tls-ticket-key")
	export VMGEN_INITRAMFS
	vm_init
	vm_boot warm hypervisor
	start warm
	ask warm uuid next > "$ANSWERS/warm-uuids"
	vm_run warm token > "$ANSWERS/warm-tokens"
	ask warm tls-ticket-key seal > "$ANSWERS/key"
	ask warm tls-ticket-key "open $(cat "$ANSWERS/key")" > "$ANSWERS/opens-before"
	vm_save warm "$ANSWERS/snapshot"
	vm_stop warm
	for clone in $CLONES; do
		vm_restore "$clone" "$ANSWERS/snapshot"
		some_uuids "$clone" > "$ANSWERS/$clone-uuids"
		vm_run "$clone" token > "$ANSWERS/$clone-tokens"
		ask "$clone" tls-ticket-key "open $(cat "$ANSWERS/key")" > "$ANSWERS/$clone-opens"
		ask "$clone" tls-ticket-key seal > "$ANSWERS/$clone-key"
		vm_check_log "$clone"
		vm_stop "$clone"
	done
	vm_cleanup
}

teardown_file() {
	rm -f "$ANSWERS/snapshot"*
}

@test "examples: clones draw no UUID twice, although all had the same pool" {
	local all

	all=$(cat "$ANSWERS"/*-uuids)
	is "$(grep -cE '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' <<< "$all")" 16 "UUIDs"
	is "$(sort -u <<< "$all" | wc -l)" 16 "different UUIDs"
}

@test "examples: a clone opens no ticket from before the snapshot, and seals with a key of its own" {
	local keys

	is "$(cat "$ANSWERS/opens-before")" yes "the key before the snapshot"
	is "$(cat "$ANSWERS"/?-opens | sort | uniq -c | tr -s ' ')" " 3 no" "the same key in the clones"
	keys=$(cat "$ANSWERS/key" "$ANSWERS"/?-key)
	is "$(grep -cE '^[0-9a-f]{32}$' <<< "$keys")" 4 "names of keys"
	is "$(sort -u <<< "$keys" | wc -l)" 4 "different names of keys"
}

@test "examples: the program of README.md ends, and no two machines print one token" {
	local all

	all=$(cat "$ANSWERS"/*-tokens)
	is "$(grep -cE '^[0-9a-f]{32}$' <<< "$all")" 12 "tokens"
	is "$(sort -u <<< "$all" | wc -l)" 12 "different tokens"
}
