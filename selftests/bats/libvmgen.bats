#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
#
# libvmgen's own tests, on the real device: on the build machine they run on the test
# backend.

load helpers

setup_file() {
	VMGEN_INITRAMFS=$("$BATS_TEST_DIRNAME/../harness/initramfs" --libvmgen-tests)
	# The kernel unpacks all these programs into memory.
	export VMGEN_INITRAMFS VM_MEMORY=256
}

# Run all of them in a guest: "PROGRAM STATUS LAST-LINE" for each.
run_tests() {
	VM_TIMEOUT=600 vm_run vm "cd /$1; "'for test in *; do
			test $test != vmgen-bench || continue
			VMGEN_TEST_REBIND=1 timeout 500 ./$test > /tmp/out 2>&1
			status=$?
			echo "$test $status $(tail -n 1 /tmp/out)"
			case $status in 0 | 77) ;; *) cat /tmp/out >&2 ;; esac
		done'
}

# all_pass MODE FOLDER SKIPPED...: some of the programs are told to unbind the driver under
# the library.  All pass but those that are named, each of which says that it is a skip, and
# why.  There are as many as there are sources.
all_pass() {
	vm_boot vm "$1"
	run_tests "$2" > "$BATS_TEST_TMPDIR/results"
	shift 2
	run grep -vE '^[a-z0-9-]+ 0( |$)' "$BATS_TEST_TMPDIR/results"
	is "$output" "$(printf '%s\n' "$@")" "tests that do not pass"
	is "$(cut -d ' ' -f 1 "$BATS_TEST_TMPDIR/results" | paste -sd ' ')" \
		"$(basename -as .c "${LIBVMGEN:-$VM_TOP/libvmgen}"/test/*.c | LC_ALL=C sort | paste -sd ' ')" \
		"tests that were run"
}

@test "libvmgen: its tests pass in hypervisor mode" {
	all_pass hypervisor libvmgen
}

@test "libvmgen: its tests pass in software mode" {
	all_pass software libvmgen
}

# Not every host runs these.  A commit swaps value and tag as one, which takes 128 bits.
@test "libvmgen: its tests pass for 32 bits, in hypervisor mode" {
	all_pass hypervisor libvmgen-m32 'commit 77 this processor does not swap 128 bits'
}
