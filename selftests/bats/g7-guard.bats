#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# G7: what libvmgen's guard lets through was produced in one generation, by a state
# that was reseeded in it.

load helpers

# tokens NAME: those that were produced after the restore
tokens() {
	samples_of "$1" | cut -d' ' -f2
}

# A generator in a loop is interrupted by snapshots at instructions that nobody
# chose.  Each is restored twice; a token that both of them produced is a duplicate.
duplicates_at_random_points() {
	local all=$BATS_TEST_TMPDIR/tokens

	vm_restore spin "$FIXTURE/hypervisor"
	in_background spin spinning "snapspin $1 8"
	for point in 1 2 3 4 5; do
		vm_save spin "$BATS_TEST_TMPDIR/spin"
		tokens "a$point" >> "$all"
		tokens "b$point" >> "$all"
		vm_stop_all_but spin
		vm_qmp spin '{"execute":"cont"}' > /dev/null
	done
	is "$(wc -l < "$all")" 80 "number of tokens"
	sort "$all" | uniq -d | wc -l
}

vm_stop_all_but() {
	local dir

	for dir in "$VM_ROOT"/*/; do
		[[ $dir == */"$1"/ ]] || vm_stop "$(basename "$dir")"
	done
}

@test "G7: clones never produce the same guarded token after a snapshot at any point" {
	is "$(duplicates_at_random_points guarded)" 0 "duplicates"
}

# The same program without the guard: each of 5 * 8 tokens twice.
@test "G7: clones do produce the same unguarded tokens" {
	is "$(duplicates_at_random_points unguarded)" 40 "duplicates"
}

ask() {
	vm_run "$1" "token-service --ask /run/tokens $2"
}

@test "G7: a service that was warm before the snapshot hands out guarded tokens that differ" {
	vm_restore a "$FIXTURE/hypervisor"
	vm_restore b "$FIXTURE/hypervisor"
	is "$(ask a unguarded)" "$(ask b unguarded)" "unguarded tokens"
	isnt "$(ask a guarded)" "$(ask b guarded)" "guarded tokens"
}
