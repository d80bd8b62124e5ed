#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# G2: in one lineage the generation strictly increases; one QEMU process never hands
# out a value twice.

load helpers

with_disk() {
	DISK=$BATS_TEST_TMPDIR/state.qcow2
	vm_disk "$DISK"
	DISK_ARGS=(-drive "if=none,format=qcow2,file=$DISK")
}

@test "G2: five loads of one snapshot give five generations" {
	local last=2 now

	with_disk
	vm_restore vm "$FIXTURE/hypervisor" "${DISK_ARGS[@]}"
	vm_savevm vm tag
	is "$(vm_generation vm)" "$last" "generation after saving"
	for load in 1 2 3 4 5; do
		vm_loadvm vm tag
		now=$(vm_generation vm)
		at_least "$now" $((last + 1)) "generation after load $load"
		genstat vm page read
		is "${G[page.generation]}" "$now" "page, as the guest sees it"
		is "${G[read.generation]}" "$now" "read()"
		last=$now
	done
}

# snapshot_job NAME save|load TAG: as management does it, by a job of QMP
snapshot_job() {
	local said

	said=$(vm_qmp "$1" "{\"execute\":\"snapshot-$2\",\"arguments\":{\"job-id\":\"job\",\"tag\":\"$3\",\"vmstate\":\"disk\",\"devices\":[\"disk\"]}}" \
		'event:JOB_STATUS_CHANGE:"concluded"' '{"execute":"query-jobs"}' \
		'{"execute":"job-dismiss","arguments":{"id":"job"}}') || return
	[[ $said != *'"error"'* ]] || { echo "snapshot-$2: $said" >&2; return 1; }
}

# With guid=auto, since a load in place must choose a new GUID by itself.
@test "G2: a snapshot that a job loads gives a new generation and a new machine each time" {
	local last=2 load

	vm_disk "$BATS_TEST_TMPDIR/state.qcow2"
	VM_GUID=auto vm_restore vm "$FIXTURE/hypervisor" -blockdev \
		"driver=qcow2,node-name=disk,file.driver=file,file.filename=$BATS_TEST_TMPDIR/state.qcow2"
	snapshot_job vm save tag
	genstat vm read
	is "${G[read.generation]}" "$last" "generation after saving"
	local -A seen=(["${G[read.instance]}"]=1)
	for load in 1 2 3; do
		snapshot_job vm load tag
		genstat vm page read
		at_least "${G[page.generation]}" $((last + 1)) "page after load $load"
		is "${G[read.generation]}" "${G[page.generation]}" "read()"
		isnt "${seen[${G[read.instance]}]:-0}" 1 "seen this instance id before"
		seen[${G[read.instance]}]=1
		last=${G[page.generation]}
	done
}

# The snapshot knows an older generation than the process does.
@test "G2: loading an old snapshot does not take the generation back" {
	with_disk
	vm_restore vm "$FIXTURE/hypervisor" "${DISK_ARGS[@]}"
	vm_savevm vm old
	vm_loadvm vm old
	vm_loadvm vm old
	vm_savevm vm young
	at_least "$(vm_generation vm)" 4 "generation before"
	vm_loadvm vm old
	at_least "$(vm_generation vm)" 5 "generation after"
	vm_loadvm vm young
	at_least "$(vm_generation vm)" 6 "generation after the younger one"
}

@test "G2: a snapshot that is loaded as QEMU starts gives a new generation" {
	with_disk
	vm_restore vm "$FIXTURE/hypervisor" "${DISK_ARGS[@]}"
	vm_savevm vm tag
	vm_stop vm
	vm_new again
	cp "$FIXTURE/hypervisor.machine" "$VM_ROOT/again/machine"
	vm_start again "${DISK_ARGS[@]}" -loadvm tag
	is "$(vm_generation again)" 3 "generation before any CPU ran"
	vm_qmp again '{"execute":"cont"}' > /dev/null
	genstat again read
	is "${G[read.generation]}" 3 "read()"
}

@test "G2: clones of clones count on" {
	local parent=$FIXTURE/hypervisor

	for generation in 2 3 4 5; do
		vm_restore "clone$generation" "$parent"
		genstat "clone$generation" page read
		is "${G[page.generation]}" "$generation" "page"
		is "${G[read.generation]}" "$generation" "read()"
		parent=$BATS_TEST_TMPDIR/snapshot$generation
		vm_save "clone$generation" "$parent"
		vm_stop "clone$generation"
	done
}

@test "G2: a clone that is saved before it ran counts, too" {
	VM_PAUSED=1 vm_restore unborn "$FIXTURE/hypervisor"
	vm_save unborn "$BATS_TEST_TMPDIR/unborn"
	vm_restore clone "$BATS_TEST_TMPDIR/unborn"
	genstat clone page read
	is "${G[page.generation]}" 3 "page"
	is "${G[read.generation]}" 3 "read()"
}

@test "G2: clones of clones count on in software mode" {
	local parent=$FIXTURE/software

	for generation in 2 3 4; do
		vm_restore "clone$generation" "$parent"
		genstat "clone$generation" read page
		is "${G[read.generation]}" "$generation" "read()"
		is "${G[page.generation]}" "$generation" "page"
		is "${G[page.hypervisor]}" 0 "hypervisor flag"
		parent=$BATS_TEST_TMPDIR/snapshot$generation
		vm_save "clone$generation" "$parent"
		vm_stop "clone$generation"
	done
}

@test "G2: stop and continue keep the generation and the instance id" {
	vm_restore vm "$FIXTURE/hypervisor"
	genstat vm read
	local before=${G[read.instance]}

	vm_qmp vm '{"execute":"stop"}' '{"execute":"cont"}' > /dev/null
	genstat vm page read
	is "${G[page.generation]}" 2 "page"
	is "${G[read.generation]}" 2 "read()"
	is "${G[read.instance]}" "$before" "instance id"
}

@test "G2: a reboot keeps the generation and the instance id" {
	vm_restore vm "$FIXTURE/hypervisor"
	genstat vm read
	local before=${G[read.instance]}

	vm_reboot vm
	genstat vm page read
	is "${G[page.generation]}" 2 "page"
	is "${G[read.generation]}" 2 "read()"
	is "${G[read.instance]}" "$before" "instance id"
}

@test "G2: a reboot keeps the mode, also on a machine of type pc" {
	VM_MACHINE=pc vm_boot vm hypervisor
	vm_reboot vm
	genstat vm page read
	is "${G[page.hypervisor]}" 1 "hypervisor flag"
	is "${G[read.generation]}" 1 "generation"
}

# Same id: the same machine that moved.
@test "G2: the same guid= on the other side is a migration and changes nothing" {
	vm_restore source "$FIXTURE/hypervisor"
	genstat source read
	local before=${G[read.instance]}

	vm_save source "$BATS_TEST_TMPDIR/moved"
	VM_GUID=$(< "$VM_ROOT/source/guid") vm_restore target "$BATS_TEST_TMPDIR/moved"
	genstat target page read
	is "${G[page.generation]}" 2 "page"
	is "${G[read.generation]}" 2 "read()"
	is "${G[read.instance]}" "$before" "instance id"
}
