#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# What happens when something is killed, stopped, full or malicious: no machine that ran
# stops for good, nothing is lost, and vmfork rm cleans up.  Each test ends with that: see
# teardown.

load helpers

# servers [FILTER]: processes of vmfork-view, the parents of others first
servers() {
	pgrep -f "vmfork-view.* --dir $VMFORK_DIR/snapshots/$1( |\$)" || :
}

# worker_of SNAP, keeper_of SNAP: the keeper is the worker's parent
worker_of() {
	local pid

	for pid in $(servers "$1"); do
		[[ -n $(pgrep -P "$pid") ]] || echo "$pid"
	done
}

keeper_of() {
	local pid

	for pid in $(servers "$1"); do
		[[ -z $(pgrep -P "$pid") ]] || echo "$pid"
	done
}

answers() {
	VM_TIMEOUT=20 vm_run "$1" true
}

fork() {
	local i

	vf fork "$1" --count "$2" --name "$3" > /dev/null
	for ((i = 1; i <= $2; i++)); do
		machine_follow "$3-$i"
		machine_await "$3-$i"
	done
}

@test "robust: the view's worker is killed again and again while 8 clones live off it and the parent writes" {
	local count round worker i

	machine_run vm
	count=$(machine_hold vm 1 8192)
	machine_pairs vm 2 256
	vf snapshot vm snap
	fork snap 8 clone
	for round in {1..10}; do
		worker=$(worker_of snap)
		isnt "$worker" '' "worker"
		kill -KILL "$worker"
		machine_ask vm 1 write $((round + 1))
		answers "clone-$((round % 8 + 1))"
		becomes 10 other_worker_than snap "$worker"
	done
	is "$(words_of "$(view_of snap ram)" 1)" "{\"1\":$count}" "pages in the view"
	viewcheck pairs "$(view_of snap ram)" 2 4 direct
	for i in {1..8}; do
		holds "clone-$i" 1 1 "$count"
	done
}

other_worker_than() {
	local worker

	worker=$(worker_of "$1")
	[[ -n $worker && $worker != "$2" ]]
}

@test "robust: while the view's worker is stopped the parent waits, and then goes on" {
	local count worker asking

	machine_run vm
	count=$(machine_hold vm 1 all)
	vf snapshot vm snap
	worker=$(worker_of snap)
	kill -STOP "$worker"
	machine_ask vm 1 write 2 > "$VM_ROOT/answer" 3>&- &
	asking=$!
	! VM_TIMEOUT=2 answers vm || false
	kill -CONT "$worker"
	wait "$asking"
	is "$(< "$VM_ROOT/answer")" "wrote $count" "what the guest did"
	is "$(words_of "$(view_of snap ram)" 1)" "{\"1\":$count}" "pages in the view"
}

@test "robust: the whole server is killed, and the machine goes on without its view" {
	local count

	machine_run vm
	count=$(machine_hold vm 1 all)
	vf snapshot vm snap
	# shellcheck disable=SC2046 # numbers
	kill -KILL $(keeper_of snap) $(worker_of snap)
	is "$(machine_ask vm 1 write 2)" "wrote $count" "what the guest did"
	vf ls > /dev/null
	vf rm --force snap
	vf snapshot vm next
	is "$(words_of "$(view_of next ram)" 1)" "{\"2\":$count}" "pages in the next view"
}

@test "robust: QEMU is killed while a snapshot of it is taken, and no half of one is left to use" {
	local taking rc=0 count

	machine_run vm
	count=$(machine_hold vm 1 all)
	vf snapshot vm snap > /dev/null 2>&1 3>&- &
	taking=$!
	kill -KILL "$(machine_pid vm)"
	wait "$taking" || rc=$?
	vf ls > /dev/null
	# It failed, and there is nothing; or QEMU was killed when all of it was there.
	if vf fork snap --name clone 2> /dev/null; then
		machine_follow clone
		machine_await clone
		holds clone 1 1 "$count"
	else
		((rc))
	fi
}

@test "robust: the disk is full, and the machine goes on or is held, and nothing is wrong" {
	local count said

	mkdir "$VMFORK_DIR"
	mount -t tmpfs -o size=24M tmpfs "$VMFORK_DIR"
	machine_run vm
	count=$(machine_hold vm 1 all)
	vf snapshot vm snap --on-full stop
	machine_ask vm 1 write 2 > "$VM_ROOT/answer" 3>&- &
	becomes 60 stopped vm
	is "$(words_of "$(view_of snap ram)" 1)" "{\"1\":$count}" "pages in the view"
	vf rm --force snap
	vm_qmp vm '{"execute":"cont"}' > /dev/null
	wait $!
	holds vm 1 2 "$count"
	machine_remove_all
	# The server of the view answers before it ends.
	becomes 10 umount "$VMFORK_DIR"
}

@test "robust: a name that is a path, an option or too long is refused, and nothing is made" {
	local name

	mkdir -p "$VM_ROOT/store"
	touch "$VM_ROOT/precious"
	for name in ../precious .. . '' a/b -x .hidden "$(printf 'x%.0s' {1..65})" $'a\nb' 'a b'; do
		refused '[12]' '' vf run "$name" -- -S
		refused '[123]' '' vf rm -- "$name"
		refused '[123]' '' vf snapshot "$name"
		refused '[123]' '' vf fork "$name"
	done
	machine_run vm
	refused '[12]' '' vf snapshot vm ../../precious
	refused '[12]' '' vf fork vm --name ../precious
	[[ -e $VM_ROOT/precious ]]
	is "$(machine_names)" vm "what there is"
}

@test "robust: two of every verb at once do not harm each other" {
	local count i pids=() ok=0

	machine_run vm
	count=$(machine_hold vm 1 4096)
	for i in 1 2 3 4; do
		vf snapshot vm "snap$i" > /dev/null 2>&1 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		! wait "$i" || ok=$((ok + 1))
	done
	at_least "$ok" 1 "snapshots taken"
	is "$(vf ls | jq '.snapshots | length')" "$ok" "snapshots"
	vf ls | jq -r '.snapshots[].snapshot' | xargs "$VMFORK" rm --force

	vf snapshot vm snap
	pids=() ok=0
	for i in 1 2 3 4; do
		vf fork snap --name same > /dev/null 2>&1 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		! wait "$i" || ok=$((ok + 1))
	done
	is "$ok" 1 "clones of one name"
	machine_follow same
	machine_await same
	holds same 1 1 "$count"
}

@test "robust: memory that nobody has touched is a hole in the view, and zeros in a clone" {
	MACHINE_MEMORY=1G machine_run vm
	vf snapshot vm snap
	is "$(stat -c %s "$(view_of snap ram)")" $((1 << 30)) "size"
	cp --sparse=auto "$(view_of snap ram)" "$VM_ROOT/copy"
	at_most "$(stat -c %b "$VM_ROOT/copy")" $(((256 << 20) / 512)) "blocks of a copy"
	fork snap 1 clone
	machine_hold clone-1 1 all > /dev/null
	running vm
}

@test "robust: a machine that is paused is snapshotted, and stays paused" {
	machine_run vm
	vm_qmp vm '{"execute":"stop"}' > /dev/null
	vf snapshot vm snap
	stopped vm
	fork snap 1 clone
	running clone-1
	vm_qmp vm '{"execute":"cont"}' > /dev/null
	answers vm
}

# plug NAME: 128 MiB more, the least that Linux takes, which the guest takes by itself
plug() {
	vm_qmp "$1" '{"execute":"object-add","arguments":{"qom-type":"memory-backend-memfd","id":"dimm","size":134217728,"share":true}}' \
		'{"execute":"device_add","arguments":{"driver":"pc-dimm","memdev":"dimm","id":"dimm0"}}' > /dev/null
}

@test "robust: memory that was plugged in is in the view, or the snapshot is refused with the reason" {
	local count said

	machine_run vm -- -machine memory.slots=2,memory.max-size=1G
	plug vm
	becomes 30 has_memory vm $((340 << 10))
	count=$(machine_hold vm 1 all)
	if said=$(vf snapshot vm snap 2>&1); then
		is "$(words_of "$(view_of snap ram)" 1)" "{\"1\":$count}" "pages in the view"
		# A process that is started anew has no such DIMM: never half of the memory.
		if said=$(vf fork snap --name clone 2>&1); then
			machine_follow clone
			machine_await clone
			holds clone 1 1 "$count"
		else
			[[ $said == *dimm* ]] || { echo "it said: $said" >&2; false; }
		fi
	else
		[[ $said == *dimm* ]] || { echo "it said: $said" >&2; false; }
	fi
	running vm
	machine_ask vm 1 write 2
}

# has_memory NAME KIB: the guest has taken what was plugged in
has_memory() {
	(($(vm_run "$1" "awk '/^MemTotal:/ { print \$2 }' /proc/meminfo") > $2))
}

@test "robust: a machine that ended by itself is listed as such, and removed" {
	machine_run vm
	vf snapshot vm snap
	vm_run vm 'echo o > /proc/sysrq-trigger' || :
	becomes 30 ended vm
	vf ls > /dev/null
	refused '[14]' '' vf snapshot vm late
	vf rollback vm snap > /dev/null
	machine_await vm
}

ended() {
	! vm_alive "$(machine_pid "$1")"
}
