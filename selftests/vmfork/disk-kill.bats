#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# QEMU, the storage daemon or both are killed while a guest writes to its disk.  What the
# guest flushed is there.  DISK_KILL_ROUNDS: how often [10]

load helpers

# The sequence of the kills, so that one that failed can be repeated.
setup() {
	machine_init
	RANDOM=${DISK_KILL_SEED:=$((SECONDS + BASHPID))}
	echo "DISK_KILL_SEED=$DISK_KILL_SEED"
}

# The number of the last block of which the guest knows that it is written.
acknowledged() {
	tr -d '\r' < "$VMFORK_DIR/machines/vm/run/console.log" |
		awk '/^ack [0-9]+$/ { n = $2 } END { print n + 0 }'
}

acknowledged_more_than() {
	(($(acknowledged) > $1))
}

daemon() {
	jq .pid "$VMFORK_DIR/storage/daemon.json"
}

# The layer that the machine writes to.
layer() {
	jq -r '(.disks[] | select(.owner | startswith("vm@")) | .layer) as $l | .layers[$l].file' \
		"$VMFORK_DIR/images/layers.json"
}

# What a kill at this instant would leave of the layer.
copy_layer() {
	local pid

	pid=$(daemon)
	kill -STOP "$pid" 2> /dev/null || :
	cp "$(layer)" "$VM_ROOT/layer.qcow2"
	kill -CONT "$pid" 2> /dev/null || :
}

# As the next daemon opens it, which counts the clusters anew.  The guest does not use the
# sector that this writes.
open_layer() {
	chmod u+w "$VM_ROOT/layer.qcow2"
	qemu-img bench -w -c 1 -s 512 -f qcow2 "$VM_ROOT/layer.qcow2" > /dev/null
	qemu-img check -q -f qcow2 "$VM_ROOT/layer.qcow2"
	qemu-img convert -f qcow2 -O raw "$VM_ROOT/layer.qcow2" "$VM_ROOT/layer.raw"
}

# lost COUNT: sectors of blocks 1 to COUNT that have another number, and how many were read
lost() {
	perl -e '
		open my $f, "<:raw", $ARGV[0] or die $!;
		seek $f, 4096, 0;
		for my $n (1 .. $ARGV[1]) {
			for (1 .. 8) {
				read($f, my $s, 512) == 512 or die "short: block $n";
				print "block $n has ", unpack("Q", $s), "\n" if unpack("Q", $s) != $n;
			}
		}' "$VM_ROOT/layer.raw" "$1"
}

# A moment of up to 0.3 s after the first acknowledgement, or after one of the first.
moment() {
	becomes 60 acknowledged_more_than $((RANDOM % 500))
	read -rt "0.$(printf %03d $((RANDOM % 300)))" <> <(:) || :
}

# round VICTIM
round() {
	local qemu acks

	vf rollback vm snap > /dev/null
	machine_await vm
	vm_run vm 'acks /dev/vda > /dev/ttyS0 2>&1 &'
	moment
	qemu=$(machine_pid vm)
	case $1 in
	qemu) kill -KILL "$qemu" ;;
	both) kill -KILL "$qemu" "$(daemon)" ;;
	daemon)
		acks=$(acknowledged)
		kill -KILL "$(daemon)"
		becomes 60 acknowledged_more_than $((acks + 200))
		kill -KILL "$qemu"
		;;
	esac
	becomes 10 eval "! vm_alive $qemu"
	acks=$(acknowledged)
	copy_layer
	open_layer
	is "$(lost "$acks" | head -n 3)" '' "blocks of $acks that are not what was acknowledged, $1 killed"
	((acks > 0))
}

@test "disk-kill: what a guest flushed is there after each kill" {
	local victims=(qemu daemon both) i

	truncate -s 64M "$VM_ROOT/base.raw"
	machine_run vm --disk "$VM_ROOT/base.raw"
	vf snapshot vm snap > /dev/null
	for ((i = 0; i < ${DISK_KILL_ROUNDS:-10}; i++)); do
		round "${victims[i % 3]}"
	done
	vf rollback vm snap > /dev/null
	machine_await vm
}
