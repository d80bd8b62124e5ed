#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2030,SC2031 # each test has variables of its own
#
# Streams from a QEMU without our series and to one, and streams that are damaged: the
# load fails with a message, or the guest sees a restore.  Never an old generation.

load helpers

# The same QEMU, as a machine has it that was never touched by the series.
setup_file() {
	: "${VMGEN_QEMU_STOCK:=$("$BATS_TEST_DIRNAME/../../scripts/build" qemu "$(qemu_release)" --stock)}"
	export VMGEN_QEMU_STOCK
}

qemu_release() {
	"$VMGEN_QEMU/bin/qemu-system-x86_64" --version | sed -n -E 's/^QEMU emulator version ([0-9]+\.[0-9]+)\..*/\1/p'
}

# The newest machine type that was released before this QEMU.
released_machine() {
	"$VMGEN_QEMU/bin/qemu-system-x86_64" -machine help | grep -oE '^pc-q35-[0-9.]+' |
		grep -vxF "pc-q35-$(qemu_release)" | sort -V | tail -n 1
}

on_stock() {
	VMGEN_QEMU=$VMGEN_QEMU_STOCK "$@"
}

# QEMU has closed its monitor, and deletes this file when it ends.
has_ended() {
	local pid end=$((SECONDS + VM_TIMEOUT))

	while read -r pid 2> /dev/null < "$VM_ROOT/$1/pid" && vm_alive "$pid"; do
		((SECONDS < end)) || { echo "$1 still runs" >&2; return 1; }
	done
}

# ends_with_message NAME REGEX: QEMU did not take the stream, and said why
ends_with_message() {
	has_ended "$1" || return
	grep -E -- "$2" "$VM_ROOT/$1/qemu.log" || { cat "$VM_ROOT/$1/qemu.log" >&2; return 1; }
}

generation_in_guest() {
	genstat "$1" read page
	echo "${G[read.generation]} ${G[page.generation]} ${G[page.hypervisor]}"
}

instance_of() {
	genstat "$1" read
	echo "${G[read.instance]}"
}

@test "streams: from an unpatched QEMU, a copy is one" {
	local instance

	on_stock vm_boot old default
	instance=$(instance_of old)
	vm_save old "$VM_ROOT/saved"
	vm_restore new "$VM_ROOT/saved"
	is "$(vm_generation new)" 2 "page, which the guest does not know of"
	is "$(generation_in_guest new)" "2 2 0" "generation"
	isnt "$(instance_of new)" "$instance" "instance id"

	# The new firmware tables tell of the page.
	vm_reboot new
	is "$(generation_in_guest new)" "2 2 1" "generation after a reboot"
}

@test "streams: from an unpatched QEMU, the same machine is the same, and counts when copied" {
	on_stock vm_boot old default
	vm_save old "$VM_ROOT/saved"
	VM_GUID=$(< "$VM_ROOT/old/guid") vm_restore new "$VM_ROOT/saved"
	is "$(generation_in_guest new)" "1 1 0" "generation"
	vm_save new "$VM_ROOT/again"
	vm_restore copy "$VM_ROOT/again"
	is "$(generation_in_guest copy)" "2 2 0" "generation of a copy"
	is "$(vm_qmp copy '{"execute":"query-vm-generation-id"}' | jq .generation)" 3 "generation that QEMU reports"
}

@test "streams: to an unpatched QEMU and back, with an old machine type" {
	VM_MACHINE=$(released_machine)
	export VM_MACHINE
	vm_boot new default
	is "$(generation_in_guest new)" "1 1 0" "generation"
	vm_save new "$VM_ROOT/saved"
	on_stock vm_restore old "$VM_ROOT/saved"
	is "$(generation_in_guest old)" "2 2 0" "generation of the copy"
	vm_save old "$VM_ROOT/again"
	VM_GUID=$(< "$VM_ROOT/old/guid") vm_restore back "$VM_ROOT/again"
	is "$(generation_in_guest back)" "2 2 0" "generation of the machine that came back"
	vm_restore copy "$VM_ROOT/again"
	is "$(generation_in_guest copy)" "3 3 0" "generation of a copy"
}

# What was saved in software mode, for a QEMU that does not know of counter=off.
without_counter_word() {
	printf '\0' | cat - <(tail -zn +2 "$VM_ROOT/saved.machine") > "$VM_ROOT/machine"
	mv "$VM_ROOT/machine" "$VM_ROOT/saved.machine"
}

# The stream of counter=off, which the stock QEMU's device does not have to be told.
@test "streams: to an unpatched QEMU, with counter=off" {
	vm_restore new "$FIXTURE/software"
	vm_save new "$VM_ROOT/saved"
	without_counter_word
	on_stock vm_restore old "$VM_ROOT/saved"
	is "$(generation_in_guest old)" "3 3 0" "generation of the copy"
}

# counter_becomes WORD: the first word of what must be the same in each machine
counter_becomes() {
	{ printf '%s\0' "$1"; tail -zn +2 "$FIXTURE/hypervisor.machine"; } > "$VM_ROOT/saved.machine"
	ln -s "$FIXTURE/hypervisor" "$VM_ROOT/saved"
}

@test "streams: an unpatched QEMU refuses a guest that relies on the counter" {
	counter_becomes ''
	! on_stock vm_restore old "$VM_ROOT/saved" || false
	ends_with_message old "'vmgenid'.*failed|device 'vmgenid'"
}

@test "streams: so does counter=off, and says what is needed" {
	counter_becomes off
	! vm_restore new "$VM_ROOT/saved" || false
	ends_with_message new 'vmgenid: the guest relies on the generation counter, which needs counter=on'
}

# clock NAME WORD...: fields of vmclock's page, as the host sees them
clock() {
	local name=$1 word
	local -A at=([marker]=0x10 [flags]=0x18 [generation]=0x68)

	shift
	for word; do
		vm_memory "$name" $((0xfeffb000 + ${at[$word]})) 8 | od -An -td8
	done | xargs
}

# Its page is memory in such a stream, so it has neither counter nor notification.
@test "streams: vmclock, to an unpatched QEMU and back, with an old machine type" {
	local before

	export VM_MACHINE=pc-q35-9.2
	vm_boot new default -device vmclock
	before=$(clock new marker)
	vm_save new "$VM_ROOT/saved"
	on_stock vm_restore old "$VM_ROOT/saved"
	is "$(clock old marker)" $((before + 1)) "disruption marker"
	vm_save old "$VM_ROOT/again"
	vm_restore back "$VM_ROOT/again"
	is "$(clock back marker flags generation)" "$((before + 2)) 0 0" "disruption marker, flags and counter"
	is "$(generation_in_guest back)" "3 3 0" "generation, of vmgenctr in software mode"
}

@test "streams: vmclock, from an unpatched QEMU, is refused" {
	on_stock vm_boot old default -device vmclock
	vm_save old "$VM_ROOT/saved"
	! vm_restore new "$VM_ROOT/saved" || false
	ends_with_message new 'vmclock_page'
}

@test "streams: vmclock, to an unpatched QEMU, is refused" {
	vm_boot new software -device vmclock
	vm_save new "$VM_ROOT/saved"
	without_counter_word
	! on_stock vm_restore old "$VM_ROOT/saved" || false
	ends_with_message old "device 'vmclock'"
}

# A stream to damage: its machine has both devices.
save_both() {
	vm_boot parent hypervisor -device vmclock
	vm_save parent "$VM_ROOT/whole"
	cp "$VM_ROOT/whole.machine" "$VM_ROOT/damaged.machine"
}

# load_damaged NAME: prints "refused", or the generation in its page
load_damaged() {
	if VM_PAUSED=1 vm_restore "$1" "$VM_ROOT/damaged" 2> /dev/null; then
		vm_generation "$1"
	elif has_ended "$1"; then
		echo refused
	fi
}

# offset_of TEXT: of its first occurrence; names are once more in the description at the end
offset_of() {
	grep -abo -- "$1" "$VM_ROOT/whole" | head -n 1 | cut -d: -f1
}

@test "streams: one that ends early is refused, wherever it ends" {
	local size counter

	save_both
	size=$(stat -c %s "$VM_ROOT/whole")
	counter=$(offset_of 'vmgenid/counter')
	for end in 0 100 $((size / 3)) $((size / 2)) $((counter + 20)) $((counter + 60)); do
		head -c "$end" "$VM_ROOT/whole" > "$VM_ROOT/damaged"
		is "$(load_damaged "end$end")" refused "a stream that ends at $end of $size"
		ends_with_message "end$end" 'load of migration failed|Not a migration stream|vmdescription'
	done
}

flip() {
	local offset=$1 bit=$2 byte

	byte=$(od -An -tu1 -j "$offset" -N 1 "$VM_ROOT/whole")
	cp "$VM_ROOT/whole" "$VM_ROOT/damaged"
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %x $((byte ^ 1 << bit)))" |
		dd of="$VM_ROOT/damaged" bs=1 seek="$offset" conv=notrunc status=none
}

# The qtests do the same to every byte of both devices.
@test "streams: one with a flipped bit is refused, or its guest sees a restore" {
	local size offset bit said accepted=0

	save_both
	size=$(stat -c %s "$VM_ROOT/whole")
	RANDOM=1
	for trial in {1..40}; do
		bit=$((RANDOM % 8)) offset=$(((RANDOM << 15 | RANDOM) % size))
		flip "$offset" "$bit"
		said=$(load_damaged "flip$trial")
		vm_stop "flip$trial"
		[[ $said == refused ]] || is "$said" 2 "generation after bit $bit of byte $offset flipped"
		[[ $said == refused ]] || accepted=$((accepted + 1))
	done
	at_least "$accepted" 1 "streams that were loaded"
}

@test "streams: a flipped bit in the generation is found" {
	save_both
	flip $(($(offset_of 'vmgenid/counter') + 15 + 4 + 7)) 0
	is "$(load_damaged flipped)" refused "generation 0 instead of 1"
	ends_with_message flipped 'vmgenid: the stream is damaged'
}

# Memory may be the snapshot's already, and that may have run in the generation that comes
# next here: nobody can make it go on.
@test "streams: a running machine that could not load a snapshot stays stopped until it is reset" {
	local disk=$BATS_TEST_TMPDIR/state.qcow2

	vm_disk "$disk"
	vm_boot old hypervisor -device vmclock -device vmcoreinfo -drive "if=none,format=qcow2,file=$disk"
	vm_savevm old tag
	vm_stop old
	vm_boot vm hypervisor -device vmclock -drive "if=none,format=qcow2,file=$disk"
	! vm_loadvm vm tag || false
	is "$(vm_qmp vm '{"execute":"query-status"}' | jq -r .running)" false "running"
	is "$(vm_generation vm) $(clock vm generation)" "2 2" "generations in the pages"
	! vm_qmp vm '{"execute":"cont"}' || false
	is "$(vm_qmp vm '{"execute":"query-status"}' | jq -r .running)" false "running, when told to"
	# The harness ends a machine that resets itself; this reset is asked for.
	is "$(vm_qmp vm '{"execute":"set-action","arguments":{"reboot":"reset"}}' \
		'{"execute":"system_reset"}' event:RESET: '{"execute":"cont"}' \
		'{"execute":"query-status"}' | jq -rs .[-1].running)" true "running, after a reset"
	is "$(vm_generation vm) $(clock vm generation)" "2 2" "generations, when it runs"
}
