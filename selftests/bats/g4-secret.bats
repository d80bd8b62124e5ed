#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# G4: the GUID is never mapped, printed or derivable; the mapped pages hold nothing
# else.

load helpers

# needles UUID: what gives it away, as hex for hasbytes: both halves of its bytes, the
# first one in the order of the text and in that of the structure, and the last group
# of its text in both cases.
needles() {
	local hex=${1//-/} node=${1##*-}

	echo "${hex:0:16},$(swapped "$hex"),${hex:16:16},$(text "$node"),$(text "${node^^}")"
}

swapped() {
	echo "${1:6:2}${1:4:2}${1:2:2}${1:0:2}${1:10:2}${1:8:2}${1:14:2}${1:12:2}"
}

text() {
	printf %s "$1" | xxd -p
}

# Everything that the kernel lets user space read, after a change of generation.
look_everywhere() {
	vm_run "$1" "genstat raw 0 > /tmp/page; genstat raw 1 > /tmp/status
		dd if=/dev/vmgenctr of=/tmp/read bs=32 count=1 2> /dev/null
		dmesg > /tmp/dmesg; cat /proc/iomem /proc/interrupts > /tmp/proc
		hasbytes $2 /tmp /run /sys"
}

@test "G4: the GUID is in neither page, read(), log, uevent nor sysfs" {
	for mode in hypervisor software; do
		vm_restore "parent-$mode" "$FIXTURE/$mode"
		in_background "parent-$mode" listening ueventwatch
		vm_save "parent-$mode" "$BATS_TEST_TMPDIR/$mode"
		vm_restore "$mode" "$BATS_TEST_TMPDIR/$mode"
		genstat "$mode" read
		is "${G[read.generation]}" 3 "generation"
		look_everywhere "$mode" "$(needles "$(< "$VM_ROOT/$mode/guid")")"
	done
}

@test "G4: the search above finds a GUID in each of its spellings" {
	local guid=00112233-4455-6677-8899-aabbccddeeff

	vm_restore clone "$FIXTURE/hypervisor"
	for spelling in '\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff' \
		'\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff' \
		"$guid" "${guid^^}" "${guid//-/}"; do
		vm_run clone "printf 'before $spelling after' > /tmp/leak"
		run -1 --separate-stderr look_everywhere clone "$(needles "$guid")"
		[[ $output == */tmp/leak* ]]
	done
}

@test "G4: the mapped pages hold nothing but their structures" {
	local length

	vm_restore clone "$FIXTURE/hypervisor"
	vm_restore other "$FIXTURE/software"
	for name in clone other; do
		for page in "0 32" "1 48"; do
			length=${page#* }
			vm_run "$name" "genstat raw ${page% *}" > "$BATS_TEST_TMPDIR/page"
			is "$(stat -c %s "$BATS_TEST_TMPDIR/page")" 4096 "size of page ${page% *}"
			is "$(tail -c +$((length + 1)) "$BATS_TEST_TMPDIR/page" | tr -d '\0' | wc -c)" 0 \
				"bytes that are not 0 behind the structure"
		done
	done
}

@test "G4: siblings share the generation, but no instance id" {
	for mode in hypervisor software; do
		local -A ids=()
		for clone in 1 2 3; do
			vm_restore "$mode$clone" "$FIXTURE/$mode"
			genstat "$mode$clone" read
			is "${G[read.generation]}" 2 "generation"
			ids[${G[read.instance]}]=$clone
			vm_stop "$mode$clone"
		done
		is ${#ids[@]} 3 "different instance ids"
	done
}

@test "G4: the instance id is no part of the GUID, and follows it" {
	local guid=00112233-4455-6677-8899-aabbccddeeff first

	VM_GUID=$guid vm_restore a "$FIXTURE/hypervisor"
	genstat a read
	first=${G[read.instance]}
	is "${#first}" 32 "length of the instance id"
	[[ $first != *00112233* && $first != *33221100* && $first != *8899aabb* ]]

	VM_GUID=$guid vm_restore b "$FIXTURE/hypervisor"
	genstat b read
	is "${G[read.instance]}" "$first" "instance id of the same GUID and generation"
}
