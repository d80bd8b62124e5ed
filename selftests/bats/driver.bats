#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Restored while the driver is at work.  The guest is stopped at the first instruction of
# a function that the driver calls, saved, and restored in two clones, one after the other.
# Each has to end up in the next generation as if nothing had been going on, and when it
# does, with another instance id and other random numbers than its sibling.  (In software
# mode that may be the generation that the change before was about to get.)  A kernel that
# looks for leaks finds none where the driver was being unbound.

load helpers
. "$BATS_TEST_DIRNAME/../harness/leaks.bash"

# What is saved in the debugger can be gone on from.
STOPPABLE=(-global migration.store-global-state=off)
DRIVER=/sys/bus/platform/drivers/vmgenid

# Guests with a witness, by what it does until the next change.
setup_file() {
	vm_init
	for mode in hypervisor software; do
		vm_restore $mode "$FIXTURE/$mode"
		witness_listen $mode
		witness_start $mode
		witness_hear $mode 2 "$EPOCHREALTIME"
		vm_save $mode "$BATS_FILE_TMPDIR/asleep-$mode"
		witness_clone next "$BATS_FILE_TMPDIR/asleep-$mode" 3
		vm_save next "$BATS_FILE_TMPDIR/spinning-$mode"
		vm_stop next
		rm -r "$VM_ROOT/next"
	done
	vm_cleanup
}

# The next ones can have the same names.
forget_machines() {
	vm_check_logs
	vm_stop_all
	rm -r "${VM_ROOT:?}"/*/
}

# witness_clone NAME FILE GENERATION: restore it, and wait for the report of that
# generation, in the array W
witness_clone() {
	VM_PAUSED=1 vm_restore "$1" "$2"
	witness_listen "$1"
	vm_qmp "$1" '{"execute":"cont"}' > /dev/null
	witness_hear "$1" "$3" "$EPOCHREALTIME"
	read -r -a W <<< "$REPORT"
}

# witnessed NAME GENERATION: the witness in a clone has been told all, and nothing twice.
# The change that was being dealt with may have passed unseen.
witnessed() {
	witness_clone "$1" "$BATS_TEST_TMPDIR/stopped" "$2"
	is "${W[1]}" "$2" "ready generation in $1"
	is "${W[2]}" 1 "reseeded in $1"
	is "${W[10]}" ok "verdict of the witness in $1"
	for way in 5 6 7 8 9; do
		at_least "${W[way]}" $((SEEN + 1)) "changes that way $way has shown in $1"
		at_least $((SEEN + 2)) "${W[way]}" "limit of the changes that way $way has shown in $1"
	done
	genstat "$1" page status read
	is "${G[page.generation]} ${G[status.generation]} ${G[read.generation]}" "$2 $2 $2" "all in $1"
}

# stopped_in SNAPSHOT GENERATION FUNCTION...: both clones, when the change to the
# generation before was being dealt with
stopped_in() {
	local -a first

	VM_PAUSED=1 vm_restore parent "$BATS_FILE_TMPDIR/$1" "${STOPPABLE[@]}"
	vm_run_to parent "${@:3}"
	vm_save parent "$BATS_TEST_TMPDIR/stopped"
	witnessed one "$2"
	first=("${W[@]}")
	witnessed two "$2"
	isnt "${W[3]}" "${first[3]}" "instance ids"
	isnt "${W[4]}" "${first[4]}" "random numbers"
	witness_forget one
	witness_forget two
	forget_machines
}

# Each step of dealing with a change to GENERATION: noticed; the page shows it; mixed into
# the CRNG; the status page says so; poll() has returned; the uevent is about to go out.
# In software mode a change that was not counted yet is one with the next.
each_step() {
	local mode=$1 snapshot=$2-$1 generation=$3

	SEEN=$((generation - 3))
	if [[ $mode == hypervisor ]]; then
		stopped_in "$snapshot" $((generation + 1)) "${NOTICED[@]}"
	else
		stopped_in "$snapshot" "$generation" "${NOTICED[@]}"
	fi
	stopped_in "$snapshot" $((generation + 1)) "${NOTICED[@]}" add_vmfork_randomness
	stopped_in "$snapshot" $((generation + 1)) "${NOTICED[@]}" sha256
	stopped_in "$snapshot" $((generation + 1)) "${NOTICED[@]}" sha256 __wake_up
	stopped_in "$snapshot" $((generation + 1)) "${NOTICED[@]}" kobject_uevent_env
	stopped_in "$snapshot" $((generation + 1)) "${NOTICED[@]}" kobject_uevent_env netlink_broadcast
}

@test "driver: restored while a notification is dealt with, at each step" {
	NOTICED=(vmgenctr_update)
	each_step hypervisor asleep 3
	each_step software asleep 3
}

@test "driver: restored while a read() deals with the change, at each step" {
	NOTICED=(vmgenctr_read_iter)
	each_step hypervisor spinning 4
}

# busy_with NAME COMMAND FUNCTION...: stopped there, after the guest was told to do that
busy_with() {
	local to status=0
	local VM_TO VM_FROM

	vm_qmp "$1" '{"execute":"stop"}' > /dev/null
	vm_link "$VM_ROOT/$1/agent.sock"
	vm_send $'\n'"0 $(base64 -w0 <<< "setsid sh -c '$2' < /dev/null > /dev/null 2>&1 &")"
	to=$VM_TO
	vm_run_to "$1" "${@:3}" || status=1
	exec {to}>&- {VM_FROM}<&-
	return "$status"
}

unbound_parent() {
	vm_restore parent "$FIXTURE/$1" "${STOPPABLE[@]}"
	genstat parent read
	is "${G[read.generation]}" 2 "generation of the parent"
	DEVICE=$(vm_run parent "cd $DRIVER && ls | grep -m1 :")
	[[ $2 == bound ]] || vm_run parent "echo $DEVICE > $DRIVER/unbind"
}

# ready GENERATION NAME: without anybody looking, and then for who does
ready() {
	vm_run "$2" "timeout 20 sh -c 'until genstat status 2> /dev/null | grep -qx status.generation=$1; do usleep 10000; done'" ||
		{ vm_run "$2" 'ls -l /dev/vmgenctr; genstat status page read'; return 1; }
	genstat "$2" page status read random
	is "${G[page.generation]} ${G[status.generation]} ${G[read.generation]}" "$1 $1 $1" "all in $2"
	is "${G[status.reseeded]} ${G[read.reseeded]}" "1 1" "reseeded in $2"
	is "${G[read.instance]}" "${G[status.instance]}" "instance id in $2"
}

# siblings COMMAND...: it finds the name of a clone in order, and that of another, which
# has nothing of the first
siblings() {
	local instance random

	vm_restore one "$BATS_TEST_TMPDIR/stopped"
	"$@" one
	instance=${G[read.instance]} random=${G[random]}
	vm_restore two "$BATS_TEST_TMPDIR/stopped"
	"$@" two
	isnt "${G[read.instance]}" "$instance" "instance ids"
	isnt "${G[random]}" "$random" "random numbers"
}

# probing MODE GENERATION FUNCTION...
probing() {
	unbound_parent "$1" unbound
	busy_with parent "echo $DEVICE > $DRIVER/bind" "${@:3}"
	vm_save parent "$BATS_TEST_TMPDIR/stopped"
	siblings ready "$2"
	forget_machines
}

# A driver that is bound starts a generation of its own in software mode.
@test "driver: restored while it probes" {
	probing hypervisor 3 devm_vmgenctr_create
	probing hypervisor 3 devm_vmgenctr_create acpi_evaluate_object
	probing hypervisor 3 devm_vmgenctr_create memremap
	probing hypervisor 3 devm_vmgenctr_create add_vmfork_randomness
	probing hypervisor 3 devm_vmgenctr_create sha256
	probing hypervisor 3 devm_vmgenctr_create misc_register
	probing hypervisor 3 devm_vmgenctr_create acpi_install_notify_handler
	probing software 3 devm_vmgenctr_create
	probing software 4 devm_vmgenctr_create add_vmfork_randomness
	probing software 4 devm_vmgenctr_create sha256
	probing software 4 devm_vmgenctr_create misc_register
	probing software 4 devm_vmgenctr_create acpi_install_notify_handler
}

# reseeds NAME: how often its kernel has reseeded, by its log, since it was restored
reseeds() {
	grep -c 'crng reseeded due to virtual machine fork' "$VM_ROOT/$1/console.log"
}

# comes_back GENERATION NAME: the driver goes on to go, and is bound again in that
# generation, or "counted": in as many as there were reseeds
comes_back() {
	local generation=$1

	vm_run "$2" "until ! test -e $DRIVER/$DEVICE; do usleep 10000; done
		! test -e /dev/vmgenctr && echo $DEVICE > $DRIVER/bind"
	[[ $generation != counted ]] || generation=$((2 + $(reseeds "$2")))
	at_least "$generation" 3 "generation of $2"
	ready "$generation" "$2"
}

# unbinding MODE GENERATION FUNCTION...
unbinding() {
	unbound_parent "$1" bound
	busy_with parent "echo $DEVICE > $DRIVER/unbind" "${@:3}"
	vm_save parent "$BATS_TEST_TMPDIR/stopped"
	siblings comes_back "$2"
	! leaks_watched || is "$(leaks two)" '' "leaks"
	forget_machines
}

# The notification may come before its handler is removed: in software mode that is one
# generation, and the driver that is bound again begins another.
@test "driver: restored while it is being unbound" {
	unbinding hypervisor 3 acpi_remove_notify_handler
	unbinding software counted acpi_remove_notify_handler
	for mode in hypervisor software; do
		unbinding $mode 3 vmgenctr_destroy
		unbinding $mode 3 vmgenctr_destroy misc_deregister
		unbinding $mode 3 vmgenctr_destroy misc_deregister kobject_uevent_env
	done
}

# overtaken NAME OVERTAKEN GENERATION: what the program there has found, in the array G
overtaken() {
	vm_restore "$1" "$BATS_TEST_TMPDIR/stopped"
	vm_run "$1" 'until grep -qs random= /run/out; do usleep 10000; done; cat /run/out' > "$BATS_TEST_TMPDIR/$1"
	values "$BATS_TEST_TMPDIR/$1"
	is "${G[overtook]} ${G[generation]}" "$2 $3" "reseed overtaken, and generation of $1"
}

# Saves a machine whose CRNG is being reseeded: the key is as good as made when its last
# hash begins, and not installed yet.  Whoever else hashes meanwhile takes the debugger in,
# and then it is not HELD: two that nothing is told go on to different random numbers.
hold_key() {
	local random guid

	unbound_parent hypervisor bound
	guid=$(vm_qmp parent '{"execute":"query-vm-generation-id"}' | jq -r .guid)
	busy_with parent "overtake > /run/out" random_ioctl crng_reseed \
		blake2s_final blake2s_update blake2s_final blake2s_update blake2s_final
	vm_save parent "$BATS_TEST_TMPDIR/stopped"
	VM_GUID=$guid overtaken one 0 2
	random=${G[random]}
	VM_GUID=$guid overtaken two 0 2
	[[ $random != "${G[random]}" ]] || HELD=1
	forget_machines
}

@test "driver: restored while the CRNG is reseeded, whose new key all clones have then" {
	local random attempt HELD=

	# Where the host is busy, the debugger is often taken in.
	for attempt in {1..15}; do
		hold_key
		[[ ! $HELD ]] || break
	done
	is "$HELD" 1 "stopped with a key in hand in $attempt attempts"
	overtaken one 1 3
	random=${G[random]}
	overtaken two 1 3
	isnt "$random" "${G[random]}" "random numbers"
}
