#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The Python binding in machines that are restored: a process of this machine's Python,
# with libvmgen, that has drawn from all of its generators before the snapshot.  What can
# be tested without a machine is tested with the binding.

load helpers

# shellcheck source=selftests/harness/python.bash
. "$BATS_TEST_DIRNAME/../harness/python.bash"

readonly CLONES='a b c'

prepare() {
	local -a options

	mapfile -t options < <(python_options "$BATS_FILE_TMPDIR/build")
	VMGEN_INITRAMFS=$("$VM_TOP/selftests/harness/initramfs" "${options[@]}") || return
	export VMGEN_INITRAMFS
}

draw_all() {
	python_draw "$1" plain && python_draw "$1" guarded && python_draw "$1" asking
}

setup_file() {
	local clone

	export ANSWERS=$BATS_FILE_TMPDIR
	prepare
	vm_init
	export VM_MEMORY=256	# the interpreter, twice: the kernel unpacks it
	vm_boot warm hypervisor
	python_start warm
	draw_all warm > "$ANSWERS/warm"
	vm_save warm "$ANSWERS/snapshot"
	vm_check_log warm
	vm_stop warm
	for clone in $CLONES; do
		vm_restore "$clone" "$ANSWERS/snapshot"
		draw_all "$clone" > "$ANSWERS/$clone"
		vm_check_log "$clone"
		vm_stop "$clone"
	done
	vm_cleanup
}

teardown_file() {
	rm -f "$ANSWERS/snapshot"*
}

# are DIFFERENT NAME: of the three values, so many are different
are() {
	local clone values

	values=$(for clone in $CLONES; do sed -n "s/^$2=//p" "$ANSWERS/$clone"; done)
	is "$(grep -c . <<< "$values")" 3 "number of values of $2"
	is "$(sort -u <<< "$values" | wc -l)" "$1" "different values of $2"
}

@test "python: random.Random of clones goes on with the same numbers" {
	are 1 plain
	are 1 gauss.plain
	are 1 generation
}

@test "python: vmgen.random.Random, the guarded module and vmgen.secrets give each clone its own" {
	are 3 guarded
	are 3 gauss.guarded
	are 3 module
	are 3 secret
}
