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

# all_pass MODE [FOLDER]
all_pass() {
	vm_boot vm "$1"
	# Some of the programs are told to unbind the driver under the library.
	VM_TIMEOUT=600 vm_run vm "cd /${2:-libvmgen}; "'for test in *; do
			test $test != vmgen-bench || continue
			VMGEN_TEST_REBIND=1 timeout 500 ./$test > /tmp/out 2>&1
			status=$?
			echo "$test $status"
			case $status in 0 | 77) ;; *) cat /tmp/out ;; esac
		done' > "$BATS_TEST_TMPDIR/results"
	run grep -vE '^[a-z-]+ (0|77)$' "$BATS_TEST_TMPDIR/results"
	is "$output" "" "tests that fail"
	at_least "$(grep -c ' 0$' "$BATS_TEST_TMPDIR/results")" 10 "tests that pass"
}

@test "libvmgen: its tests pass in hypervisor mode" {
	all_pass hypervisor
}

@test "libvmgen: its tests pass in software mode" {
	all_pass software
}

# Not every host runs these.
@test "libvmgen: its tests pass for 32 bits, in hypervisor mode" {
	all_pass hypervisor libvmgen-m32
}
