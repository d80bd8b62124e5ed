#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# A checkpoint: from a view whose machine goes on, to another host, which has neither.

load helpers

# elsewhere COMMAND...: with another store, and no network but its own
elsewhere() {
	local VMFORK_DIR=$VM_ROOT/elsewhere

	export VMFORK_DIR
	"$@"
}

in_own_network() {
	unshare --net "$VMFORK" --json "$@" 3>&-
}

@test "save: what is loaded elsewhere is what was frozen, and another machine" {
	local count generation instance

	machine_run vm
	count=$(machine_hold vm 1 all)
	read -r generation instance <<< "$(machine_generation vm)"
	vf snapshot vm snap
	machine_ask vm 1 write 2
	vf save snap "$VM_ROOT/saved"
	running vm
	vf rm --force vm snap
	is "$(machine_names)" '' "what is left"

	elsewhere in_own_network load "$VM_ROOT/saved" copy
	elsewhere machine_follow copy
	elsewhere machine_await copy
	holds copy 1 1 "$count"
	read -r now again <<< "$(machine_generation copy)"
	at_least "$now" $((generation + 1)) "generation"
	isnt "$again" "$instance" "instance id"
	elsewhere vf snapshot copy snap
	elsewhere machine_remove_all
}

@test "save: a checkpoint is loaded twice, and once more when the first two are gone" {
	machine_run vm
	vf snapshot vm snap
	vf save snap "$VM_ROOT/saved"
	for name in one two; do
		vf load "$VM_ROOT/saved" "$name" > /dev/null
		machine_follow "$name"
		machine_await "$name"
	done
	isnt "$(machine_generation one)" "$(machine_generation two)" "generation and instance"
	vf rm --force one two
	vf load "$VM_ROOT/saved" three > /dev/null
	machine_follow three
	machine_await three
}

@test "save: nothing is written over, and what is not a checkpoint is not loaded" {
	machine_run vm
	vf snapshot vm snap
	mkdir "$VM_ROOT/there"
	echo mine > "$VM_ROOT/there/file"
	refused '[14]' '' vf save snap "$VM_ROOT/there"
	is "$(< "$VM_ROOT/there/file")" mine "what was there"
	refused '[134]' '' vf load "$VM_ROOT/there" copy
	refused '[134]' '' vf load "$VM_ROOT/nowhere" copy
	is "$(vf ls | jq -c '[.machines[].machine]')" '["vm"]' "machines"
}

@test "save: one that was cut short or changed is not loaded" {
	local size

	machine_run vm
	vf snapshot vm snap
	vf save snap "$VM_ROOT/saved"
	size=$(stat -c %s "$VM_ROOT/saved/ram")
	truncate -s $((size - 4096)) "$VM_ROOT/saved/ram"
	refused '[14]' '' vf load "$VM_ROOT/saved" copy
	truncate -s "$size" "$VM_ROOT/saved/ram"
	truncate -s 1000 "$VM_ROOT/saved/state"
	refused '[14]' '' vf load "$VM_ROOT/saved" copy
	rm "$VM_ROOT/saved/meta.json"
	refused '[134]' '' vf load "$VM_ROOT/saved" copy
	is "$(vf ls | jq -c '[.machines[].machine]')" '["vm"]' "machines"
}

@test "save: on a full disk it says so, and leaves nothing" {
	machine_run vm
	machine_hold vm 1 8192
	vf snapshot vm snap
	mkdir "$VM_ROOT/small"
	mount -t tmpfs -o size=16M tmpfs "$VM_ROOT/small"
	refused 1 'space' vf save snap "$VM_ROOT/small/saved"
	is "$(ls -A "$VM_ROOT/small")" '' "what is left there"
	umount "$VM_ROOT/small"
	running vm
	vf save snap "$VM_ROOT/saved"
}

# As one is that was saved with a QEMU that could not say where the guest sees its memory.
@test "save: a loaded machine says itself where its memory is, so that its snapshots have a core" {
	local count

	machine_run vm
	count=$(machine_hold vm 1 4096)
	vf snapshot vm snap
	vf save snap "$VM_ROOT/saved" > /dev/null
	jq '.ram.blocks = []' "$VM_ROOT/saved/meta.json" > "$VM_ROOT/meta.json"
	mv "$VM_ROOT/meta.json" "$VM_ROOT/saved/meta.json"
	vf load "$VM_ROOT/saved" copy > /dev/null
	machine_follow copy
	machine_await copy
	machine_ask copy 1 write 2
	is "$(vf snapshot copy second | jq -r .how)" process "how"
	at_most "$(stat -c %s "$(view_of second state)")" 4194304 "bytes of the state"
	is "$(words_of "$(view_of second core)" 1)" "{\"2\":$count}" "pages of the core"
	vf fork second --name clone > /dev/null
	machine_follow clone
	machine_await clone
	holds clone 1 2 "$count"
}
