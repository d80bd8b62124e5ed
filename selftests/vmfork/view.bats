#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The view of a machine that goes on: whole, frozen, the right size, and of what all
# writers do nothing gets into it.

load helpers

# A view that is whole while the memory behind it is not, and does not change.
frozen_while_written() {
	local snap=$1 name=$2 set=$3 rounds=$4

	viewcheck pairs "$(view_of "$snap" ram)" "$set" "$rounds" direct
	viewcheck pairs "$(view_of "$snap" ram)" "$set" "$rounds" read
	viewcheck pairs "$(view_of "$snap" ram)" "$set" "$rounds" mmap
	! viewcheck pairs "$(machine_ram "$name")" "$set" 100 read || false
}

# 16384 pairs, read 64 times: a million.
@test "view: a million pairs of two processors are whole, by read(), O_DIRECT and mmap()" {
	machine_run vm
	machine_pairs vm 1 8192
	vf snapshot vm snap
	running vm
	frozen_while_written snap vm 1 64
}

@test "view: of 20 snapshots in a row each is whole, also when it is an older one" {
	local round

	machine_run vm
	machine_pairs vm 1 1024
	for round in {1..20}; do
		vf snapshot vm "snap$round" > /dev/null
		viewcheck pairs "$(view_of "snap$round" ram)" 1 4 direct
		((round == 1)) || viewcheck pairs "$(view_of "snap$((round - 1))" ram)" 1 4 direct
	done
	for round in {1..20}; do
		viewcheck pairs "$(view_of "snap$round" ram)" 1 4 direct
	done
}

@test "view: pairs that a disk writes by O_DIRECT and io_uring are whole" {
	sectors 4096 "$VM_ROOT/disk"
	machine_run vm -- -blockdev "$(blockdev_of "$VM_ROOT/disk")" -device virtio-blk,drive=dma
	machine_pairs vm 1 512 /dev/vda
	vf snapshot vm snap
	frozen_while_written snap vm 1 100
}

frames_of() {
	viewcheck frames "$1" 1 | jq -r "$2"
}

@test "view: frames that a NIC receives later are not in it" {
	local sender greatest before after

	[[ -e /dev/vhost-net ]] || echo "# no /dev/vhost-net on this host: the NIC is QEMU's own" >&3
	machine_run vm -- -netdev "stream,id=net,server=on,addr.type=unix,addr.path={dir}/net.sock" \
		-device virtio-net,netdev=net,romfile=
	vm_run vm 'ifconfig eth0 up'
	"$VMFORK_PROGRAMS/host/netsend" "$VM_ROOT/vm/net.sock" 1 > "$VM_ROOT/sent" 3>&- &
	sender=$!
	becomes 30 received_more_than vm 2000
	vf snapshot vm snap
	before=$(viewcheck frames "$(view_of snap ram)" 1)
	greatest=$(jq -r .greatest <<< "$before")
	becomes 30 received_more_than vm $((greatest + 2000))
	after=$(viewcheck frames "$(view_of snap ram)" 1)
	kill "$sender"
	wait "$sender"
	is "$after" "$before" "frames in the view, later"
	at_least "$(< "$VM_ROOT/sent")" $((greatest + 2000)) "frames that were sent"
}

received_more_than() {
	(($(frames_of "$(machine_ram "$1")" .greatest) > $2))
}

blocks_of() {
	stat -Lc %b "$1"
}

balloon_is() {
	[[ $(vm_qmp "$1" '{"execute":"query-balloon"}' | jq .actual) == "$2" ]]
}

# balloon NAME BYTES: and wait until the guest has given, or taken, that much
balloon() {
	vm_qmp "$1" "{\"execute\":\"balloon\",\"arguments\":{\"value\":$2}}" > /dev/null
	becomes 60 balloon_is "$1" "$2"
}

@test "view: memory that a balloon or free page reporting gives back stays in it" {
	local count blocks

	machine_run vm -- -device virtio-balloon,free-page-reporting=on
	count=$(machine_hold vm 1 all)
	at_least "$count" 20000 "pages held"
	vf snapshot vm snap
	vm_run vm 'echo end > /run/hold.1'
	balloon vm $((128 << 20))
	is "$(words_of "$(view_of snap ram)" 1)" "{\"1\":$count}" "pages in the view"

	# The control: once it is gone, the balloon gives memory back.
	blocks=$(blocks_of "$(machine_ram vm)")
	vf rm snap
	balloon vm $((256 << 20))
	balloon vm $((128 << 20))
	at_most "$(blocks_of "$(machine_ram vm)")" $((blocks - (64 << 20) / 512)) "memory of the machine"
}

@test "view: ram has the machine's size, its holes, and reading it takes no memory" {
	local ram blocks

	machine_run vm
	vf snapshot vm snap
	ram=$(view_of snap ram)
	is "$(stat -c %s "$ram")" $((256 << 20)) "size"
	vm_qmp vm '{"execute":"stop"}' > /dev/null
	blocks=$(blocks_of "$(machine_ram vm)")
	cp --sparse=auto "$ram" "$VM_ROOT/copy"
	is "$(blocks_of "$(machine_ram vm)")" "$blocks" "memory of the machine after all was read"
	is "$(stat -c %s "$VM_ROOT/copy")" $((256 << 20)) "size of a copy"
	at_most "$(stat -c %b "$VM_ROOT/copy")" $(((256 << 20) / 512 - 1)) "blocks of a copy"
	cmp "$ram" "$VM_ROOT/copy"
}

@test "view: beside ram there are the device state, a core and what it is of" {
	machine_run vm
	vf snapshot vm snap
	is "$(jq -r '"\(.version) \(.snapshot) \(.machine) \(.how) \(.ram.size)"' "$(view_of snap meta.json)")" \
		"1 snap vm view $((256 << 20))" "meta.json"
	at_least "$(stat -c %s "$(view_of snap state)")" 10000 "bytes of device state"
	readelf -h "$(view_of snap core)" | grep -q 'CORE (Core file)'
}

@test "view: it stays when its machine ends" {
	machine_run vm
	machine_pairs vm 1 1024
	vf snapshot vm snap
	kill -KILL "$(machine_pid vm)"
	viewcheck pairs "$(view_of snap ram)" 1 100 direct
}

@test "view: one that a later one needs, and one that is open, are not removed" {
	machine_run vm
	vf snapshot vm old
	vf snapshot vm new
	refused 4 old vf rm new
	exec {open}< "$(view_of old ram)"
	refused 4 '' vf rm old
	exec {open}<&-
	vf rm old
	vf rm new
	running vm
}

# begin_to_fill NAME: takes more of the buffer than there is
begin_to_fill() {
	machine_ask "$1" 1 write 2 > "$VM_ROOT/answer" 3>&- &
	FILLING=$!
}

@test "view: when the budget is spent, --on-full stop holds the machine and loses nothing" {
	local count

	machine_run vm
	count=$(machine_hold vm 1 all)
	vf snapshot vm snap --budget 1M --on-full stop
	begin_to_fill vm
	becomes 60 stopped vm
	is "$(words_of "$(view_of snap ram)" 1)" "{\"1\":$count}" "pages in the view"
	is "$(machine_status snap .server.full)" true "full"

	# The way out.
	vf rm snap
	vm_qmp vm '{"execute":"cont"}' > /dev/null
	wait "$FILLING"
	is "$(< "$VM_ROOT/answer")" "wrote $count" "what the guest did"
	holds vm 1 2 "$count"
}

@test "view: when the budget is spent, --on-full drop gives the view up, and the machine runs on" {
	local count

	machine_run vm
	count=$(machine_hold vm 1 all)
	vf snapshot vm snap --budget 1M --on-full drop
	begin_to_fill vm
	wait "$FILLING"
	is "$(< "$VM_ROOT/answer")" "wrote $count" "what the guest did"
	is "$(machine_status snap .server.state)" dropped "state"
	run dd if="$(view_of snap ram)" of=/dev/null bs=1M
	[[ $status -ne 0 && $output == *'Input/output error'* ]]
	holds vm 1 2 "$count"
}
