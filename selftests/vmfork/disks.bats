#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# shellcheck disable=SC2016 # what the guest expands
# Machines with disks: memory and disk of one instant, a layer for each clone, no image that
# QEMU has open, and no acknowledged write that is lost.

load helpers

# machine_with_disk NAME [OPTION...]: one of 64 MiB of zeros, which nobody may write
machine_with_disk() {
	truncate -s 64M "$VM_ROOT/base.raw"
	machine_run "$1" --disk "$VM_ROOT/base.raw" "${@:2}"
}

# counts NAME: begins to count in memory and on the disk
counts() {
	vm_run "$1" 'flush 1 /dev/vda /run/count > /run/flush 2>&1 &
		until test -s /run/count && test $(od -An -td8 -j2048 -N8 /run/count) -gt 20; do
			kill -0 $! || { cat /run/flush; exit 1; }; usleep 10000; done'
}

in_memory() {
	viewcheck pages "$1" 1 | jq -r '.words | keys[0]'
}

# on_disk FILE: a qcow2 image that stands alone
on_disk() {
	qemu-img dd -U -f qcow2 -O raw bs=512 count=1 "if=$1" "of=$VM_ROOT/sector" > /dev/null &&
		od -An -td8 -N8 "$VM_ROOT/sector" | tr -d ' '
}

# agree MEMORY DISK WHERE
agree() {
	is "$2" "$1" "$3" || is "$2" $(($1 - 1)) "$3"
}

say() {
	vm_run "$1" "printf '%-512s' $2 | dd of=/dev/vda bs=512 seek=8 conv=fsync 2> /dev/null"
}

hear() {
	vm_run "$1" 'echo 3 > /proc/sys/vm/drop_caches; dd if=/dev/vda bs=512 skip=8 count=1 2> /dev/null | tr -d "\0 "'
}

follow() {
	machine_follow "$1" && machine_await "$1"
}

@test "disks: memory and disk of a snapshot are of one instant, ten times" {
	local round

	machine_with_disk vm
	counts vm
	for round in {1..10}; do
		vf snapshot vm "snap$round" > /dev/null
		vf save "snap$round" "$VM_ROOT/saved$round" > /dev/null
		agree "$(in_memory "$(view_of "snap$round" ram)")" "$(on_disk "$VM_ROOT/saved$round/disk0.qcow2")" "disk of snapshot $round"
	done
}

@test "disks: parent, clones and a rollback each have their own, from what it was then" {
	machine_with_disk vm
	say vm before
	vf snapshot vm snap
	say vm parent
	vf fork snap --count 2 --name clone > /dev/null
	follow clone-1
	follow clone-2
	is "$(hear clone-1)" before "disk of a clone"
	say clone-1 clone
	is "$(hear clone-1)" clone "disk of the clone that wrote"
	is "$(hear clone-2)" before "disk of the other"
	is "$(hear vm)" parent "disk of the parent"
	vf rollback vm snap > /dev/null
	machine_await vm
	is "$(hear vm)" before "disk after the rollback"
	say vm again
	vf rollback vm snap > /dev/null
	machine_await vm
	is "$(hear vm)" before "disk after the second rollback"
	vf snapshot clone-1 second
	vf fork second --name grandchild > /dev/null
	follow grandchild
	is "$(hear grandchild)" clone "disk of a clone's clone"
	cmp "$VM_ROOT/base.raw" <(head -c 64M /dev/zero)
}

@test "disks: QEMU has no image open" {
	local pid

	machine_with_disk vm
	vf snapshot vm snap
	vf fork snap --name clone > /dev/null
	for name in vm clone; do
		pid=$(machine_pid "$name")
		! find "/proc/$pid/fd" -printf '%l\n' | grep -E '\.raw|\.qcow2|/images/' || false
	done
}

@test "disks: a checkpoint has the disk, and goes on without the base" {
	machine_with_disk vm
	say vm before
	vf snapshot vm snap
	say vm after
	vf save snap "$VM_ROOT/saved"
	machine_remove_all
	rm "$VM_ROOT/base.raw"
	VMFORK_DIR=$VM_ROOT/elsewhere vf load "$VM_ROOT/saved" copy > /dev/null
	export VMFORK_DIR=$VM_ROOT/elsewhere
	follow copy
	is "$(hear copy)" before "disk of the copy"
	say copy more
	is "$(hear copy)" more "disk of the copy that wrote"
}

@test "disks: the storage daemon is killed, and guests go on with what they were told is written" {
	local before daemon round

	machine_with_disk vm
	vf snapshot vm snap
	vf fork snap --name clone > /dev/null
	follow clone
	say clone kept
	counts vm
	for round in 1 2 3; do
		before=$(in_memory "$(machine_ram vm)")
		daemon=$(pgrep -f "qemu-storage-daemon.*$VMFORK_DIR")
		kill -KILL "$daemon"
		becomes 60 counted_more_than $((before + 10))
	done
	is "$(hear clone)" kept "disk of the clone"
	vf snapshot vm after
	vf save after "$VM_ROOT/saved"
	agree "$(in_memory "$(view_of after ram)")" "$(on_disk "$VM_ROOT/saved/disk0.qcow2")" "disk"
	qemu-img check -q "$VM_ROOT/saved/disk0.qcow2"
}

counted_more_than() {
	(($(in_memory "$(machine_ram vm)") > $1))
}

@test "disks: one image for two machines, and a base that was changed, are refused" {
	machine_with_disk vm
	refused 4 'base.raw' machine_start other --disk "$VM_ROOT/base.raw"
	vf snapshot vm snap
	printf x | dd of="$VM_ROOT/base.raw" conv=notrunc status=none
	touch -d '+1 hour' "$VM_ROOT/base.raw"
	refused '[14]' 'base.raw' vf fork snap --name clone
}

@test "disks: two disks, and what was only for a snapshot is deleted with it" {
	local before

	truncate -s 16M "$VM_ROOT/one.raw" "$VM_ROOT/two.raw"
	machine_run vm --disk "$VM_ROOT/one.raw" --disk "$VM_ROOT/two.raw"
	vm_run vm 'for d in vda vdb; do dd if=/dev/urandom of=/dev/$d bs=1M count=8 conv=fsync; done'
	before=$(du -s "$VMFORK_DIR/images" | cut -f1)
	vf snapshot vm snap
	vf fork snap --name clone > /dev/null
	follow clone
	vm_run clone 'for d in vda vdb; do dd if=/dev/urandom of=/dev/$d bs=1M count=8 conv=fsync; done'
	at_least "$(du -s "$VMFORK_DIR/images" | cut -f1)" $((before + 12000)) "KiB of images with a clone"
	vf rm --force clone
	at_most "$(du -s "$VMFORK_DIR/images" | cut -f1)" $((before + 4000)) "KiB of images without it"
}

@test "disks: a checkpoint is loaded by two machines at a time, each with a disk of its own" {
	machine_with_disk vm
	say vm before
	vf snapshot vm snap
	vf save snap "$VM_ROOT/saved" > /dev/null
	vf rm --force vm snap > /dev/null
	for name in one two; do
		vf load "$VM_ROOT/saved" "$name" > /dev/null
		follow "$name"
		is "$(hear "$name")" before "disk of $name"
		say "$name" "$name"
	done
	is "$(hear one)" one "disk of the first, when the second has written"
	vf rm one > /dev/null
	vf load "$VM_ROOT/saved" three > /dev/null
	follow three
	is "$(hear three)" before "disk of one that was loaded later"
	is "$(hear two)" two "disk of the second"
	is "$(jq -c '.snapshots | keys' "$VMFORK_DIR/images/layers.json")" '[]' "snapshots of disks"
}

images() {
	find "$VMFORK_DIR/images" -name '*.qcow2' -printf '%f\n'
}

@test "disks: ls removes what a vmfork that was killed has left, and nothing that is needed" {
	local before pid

	machine_with_disk vm
	vf snapshot vm snap
	before=$(images | sort)
	truncate -s 1M "$VM_ROOT/other.raw"
	machine_start lost --disk "$VM_ROOT/other.raw" > /dev/null
	isnt "$(images | sort)" "$before" "images with another machine"
	vf ls > /dev/null
	isnt "$(images | sort)" "$before" "images that a machine needs"
	# As if rm had died after it had ended QEMU, and its warning "the disks stay" were lost.
	pid=$(machine_pid lost)
	kill -KILL "$pid"
	rm -r "$VMFORK_DIR/machines/lost"
	touch "$VMFORK_DIR/images/l999.qcow2"
	vf ls > /dev/null
	is "$(images | sort)" "$before" "images after ls"
	is "$(jq -r '.disks[].owner' "$VMFORK_DIR/images/layers.json")" vm@1 "owners of disks"
	say vm on
	is "$(hear vm)" on "disk of the machine that goes on"
}

# syncs FROM TO: how many system calls of the command waited for the disk between two messages
syncs() {
	sed -n "/execute.*$1/,/execute.*$2/p" "$VM_ROOT/trace" | grep -cE 'fsync|fdatasync|syncfs' || :
}

@test "disks: in the pause nothing waits for the host's disk, and afterwards it does" {
	machine_with_disk vm
	vf snapshot vm snap
	counts vm
	strace -o "$VM_ROOT/trace" -s 200 -e trace=fsync,fdatasync,syncfs,sendmsg "$VMFORK" --json snapshot vm second 3>&-
	at_least "$(grep -c '"cont' "$VM_ROOT/trace")" 1 "end of the pause in the trace"
	is "$(syncs '"stop' '"cont')" 0 "waits in the pause"
	at_least "$(syncs '"cont' 'never')" 2 "waits after it"
}

@test "disks: by vhost-user, which no snapshot can be taken of" {
	truncate -s 64M "$VM_ROOT/base.raw"
	machine_run vm --disk "vhost:$VM_ROOT/base.raw"
	say vm here
	is "$(hear vm)" here "disk"
	refused 4 "disk0 .*base.raw.* vhost-user .*--disk IMAGE" vf snapshot vm snap
	running vm
	is "$(hear vm)" here "disk after the refusal"
	is "$(vf ls | jq -c .snapshots)" '[]' "snapshots"
	kill -KILL "$(jq .pid "$VMFORK_DIR/storage/daemon.json")"
	say vm more
	is "$(hear vm)" more "disk after the death of the daemon"
	cmp "$VM_ROOT/base.raw" <(head -c 64M /dev/zero)
}
