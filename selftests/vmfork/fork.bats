#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Clones that live off a view: each is another machine, none sees what the others write,
# and they need neither their parent nor memory of their own for what they do not write.

load helpers

# fork SNAP COUNT NAME: and wait for each
fork() {
	local i

	vf fork "$1" --count "$2" --name "$3" > /dev/null
	for ((i = 1; i <= $2; i++)); do
		machine_follow "$3-$i"
		machine_await "$3-$i"
	done
}

@test "fork: each clone and its parent are different machines, and a clone knows that it is one" {
	local name generation instance parent
	local -A seen=()

	machine_run vm
	read -r parent instance <<< "$(machine_generation vm)"
	seen[$instance]=vm
	vf snapshot vm snap
	fork snap 4 clone
	for name in clone-{1..4}; do
		read -r generation instance <<< "$(machine_generation "$name")"
		at_least "$generation" $((parent + 1)) "generation of $name"
		is "${seen[$instance]:-nobody}" nobody "who else is $instance"
		seen[$instance]=$name
	done
	is "$(machine_generation vm)" "$parent $(machine_generation vm | cut -d' ' -f2)" "generation of the parent"
	is "$(for name in vm clone-{1..4}; do vm_run "$name" 'genstat random'; done | sort | uniq | wc -l)" 5 "different random bytes"
}

@test "fork: what the parent, or another clone, writes later is never seen by a clone" {
	local count

	machine_run vm
	count=$(machine_hold vm 1 all)
	vf snapshot vm snap
	fork snap 3 clone
	is "$(machine_ask vm 1 write 2)" "wrote $count" "what the parent did"
	is "$(machine_ask clone-1 1 write 3)" "wrote $count" "what a clone did"
	holds clone-2 1 1 "$count"
	holds vm 1 2 "$count"
	holds clone-1 1 3 "$count"
	is "$(words_of "$(view_of snap ram)" 1)" "{\"1\":$count}" "pages in the view"

	# Forked from a view that is no more what its machine is.
	vf fork snap --name late > /dev/null
	machine_follow late
	machine_await late
	holds late 1 1 "$count"
	kill -KILL "$(machine_pid vm)"
	holds clone-3 1 1 "$count"
}

@test "fork: a clone of a clone has what that one had" {
	local count

	machine_run vm
	count=$(machine_hold vm 1 4096)
	vf snapshot vm snap
	fork snap 1 clone
	machine_ask clone-1 1 write 2
	is "$(vf snapshot clone-1 second | jq -r .how)" process "how"
	machine_ask clone-1 1 write 3
	fork second 2 grandchild
	holds grandchild-1 1 2 "$count"
	machine_ask grandchild-1 1 write 4
	vf snapshot grandchild-1 third
	fork third 1 last
	machine_ask vm 1 write 5
	holds last-1 1 4 "$count"
	holds grandchild-2 1 2 "$count"
	holds clone-1 1 3 "$count"
	is "$(words_of "$(view_of second ram)" 1)" "{\"2\":$count}" "pages of the second view"
	is "$(words_of "$(view_of snap ram)" 1)" "{\"1\":$count}" "pages of the first view"
}

@test "fork: the state of a clone's snapshot has no memory, and its core has all of it" {
	local count

	machine_run vm
	count=$(machine_hold vm 1 all)
	vf snapshot vm snap
	fork snap 1 clone
	machine_ask clone-1 1 write 2
	is "$(vf snapshot clone-1 second | jq -r .how)" process "how"
	at_most "$(stat -c %s "$(view_of second state)")" 4194304 "bytes of the state"
	is "$(words_of "$(view_of second ram)" 1)" "{\"2\":$count}" "pages of the view"
	is "$(words_of "$(view_of second core)" 1)" "{\"2\":$count}" "pages of the core"
	fork second 1 grandchild
	holds grandchild-1 1 2 "$count"
	machine_ask clone-1 1 write 3
}

@test "fork: pairs of a machine go on in a clone, and its own view is whole" {
	machine_run vm
	machine_pairs vm 1 512
	vf snapshot vm snap
	fork snap 1 clone
	vf snapshot clone-1 second
	viewcheck pairs "$(view_of second ram)" 1 10 direct
	viewcheck pairs "$(view_of snap ram)" 1 10 direct
}

# ram_kib NAME FIELD: of the mapping of the guest's RAM in QEMU
ram_kib() {
	awk -v field="$2:" '
		/^[0-9a-f]+-[0-9a-f]+ / { on = /\/view\/ram/ }
		on && $1 == field { kib += $2 }
		END { print kib + 0 }' "/proc/$(machine_pid "$1")/smaps"
}

@test "fork: clones share what they read, and have little to themselves" {
	local name

	machine_run vm
	vf snapshot vm snap
	fork snap 4 clone
	for name in clone-{1..4}; do
		at_most "$(ram_kib "$name" Anonymous)" 8192 "KiB of $name alone"
		at_least "$(ram_kib "$name" Shared_Clean)" 1024 "KiB that $name shares"
	done
}

@test "fork: sixteen clones at once, and all are removed in one command" {
	machine_run vm
	vf snapshot vm snap
	fork snap 16 clone
	is "$(for name in clone-{1..16}; do machine_generation "$name"; done | cut -d' ' -f2 | sort -u | wc -l)" 16 "instances"
	refused 4 'clone-1' vf rm snap
	vf rm clone-{1..16}
	vf rm snap
	running vm
}
