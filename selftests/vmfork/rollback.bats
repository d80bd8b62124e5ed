#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# A machine goes back to a snapshot, as itself, and knows each time.

load helpers

rollback() {
	vf rollback "$1" "$2" > /dev/null
	machine_await "$1"
}

@test "rollback: memory is what it was, and the generation grows each time" {
	local count round last generation instance
	local -A seen=()

	machine_run vm
	count=$(machine_hold vm 1 4096)
	read -r last instance <<< "$(machine_generation vm)"
	seen[$instance]=1
	vf snapshot vm snap
	for round in 2 3 4 5; do
		machine_ask vm 1 write "$round"
		rollback vm snap
		holds vm 1 1 "$count"
		read -r generation instance <<< "$(machine_generation vm)"
		at_least "$generation" $((last + 1)) "generation"
		is "${seen[$instance]:-0}" 0 "seen this instance id before"
		seen[$instance]=1
		last=$generation
	done
}

@test "rollback: to the older snapshot, to the younger one and back; the generation grows" {
	local count snap last generation

	machine_run vm
	count=$(machine_hold vm 1 4096)
	vf snapshot vm one
	machine_ask vm 1 write 2
	vf snapshot vm two
	machine_ask vm 1 write 3
	read -r last _ <<< "$(machine_generation vm)"
	for snap in one two one; do
		rollback vm "$snap"
		case $snap in
		one) holds vm 1 1 "$count" ;;
		two) holds vm 1 2 "$count" ;;
		esac
		read -r generation _ <<< "$(machine_generation vm)"
		at_least "$generation" $((last + 1)) "generation after the rollback to $snap"
		last=$generation
	done
}

@test "rollback: the machine keeps its identity, and its clones and views what they have" {
	local count instance

	machine_run vm
	count=$(machine_hold vm 1 4096)
	vf snapshot vm snap
	vf fork snap --name clone > /dev/null
	machine_follow clone
	machine_await clone
	instance=$(jq -r .instance "$VMFORK_DIR/machines/vm/machine.json")
	machine_ask vm 1 write 2
	machine_ask clone 1 write 3
	rollback vm snap
	is "$(jq -r .instance "$VMFORK_DIR/machines/vm/machine.json")" "$instance" "instance of the machine"
	isnt "$(jq -r .instance "$VMFORK_DIR/machines/clone/machine.json")" "$instance" "instance of the clone"
	holds clone 1 3 "$count"
	is "$(words_of "$(view_of snap ram)" 1)" "{\"1\":$count}" "pages in the view"
	machine_ask vm 1 write 4
	vf snapshot vm after
	machine_ask vm 1 write 5
	rollback vm after
	holds vm 1 4 "$count"
}

@test "rollback: to another machine's snapshot, or to none, is refused, and nothing happens" {
	machine_run vm
	MACHINE_MEMORY=128M machine_run other
	vf snapshot other theirs
	refused 3 'nothing' vf rollback vm nothing
	refused 4 'theirs' vf rollback vm theirs
	running vm
	vm_run vm true
}
