#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Some rounds of the endurance test (harness/run-endurance), and that it can be interrupted.

load helpers

endurance() {
	"$VM_TOP/selftests/harness/run-endurance" --state "$BATS_TEST_TMPDIR/state" "$@"
}

restores() {
	sed -n -E '/^(clone|load) /p' "$BATS_TEST_TMPDIR/state/ledger" 2> /dev/null | wc -l
}

@test "endurance: one round tells every generation once, and the document says what of" {
	local document=$BATS_TEST_TMPDIR/endurance.md

	endurance --evidence "$document" 1
	grep -x -- "- guest: Linux [0-9.]* (${VMGEN_KERNEL##*/}), hypervisor mode" "$document"
	grep -x -- "- QEMU [0-9.]* (${VMGEN_QEMU##*/}), .*" "$document"
	grep -x -- "- from 20.*, in 1 session, at load averages of [0-9.]* when begun" "$document"
	is "$(grep -c '^- ok: ' "$document")" 10 "verdicts in the document"
}

@test "endurance: a run that was killed goes on where it stopped" {
	local ledger=$BATS_TEST_TMPDIR/state/ledger run lines

	set -m
	# Not through a function: the shell in between would be what "wait" waits for.
	"$VM_TOP/selftests/harness/run-endurance" --state "$BATS_TEST_TMPDIR/state" 60 > /dev/null 2>&1 3>&- &
	run=$!
	set +m
	until (($(restores) > 30)); do
		kill -0 $run
		sleep 0.1
	done
	kill -KILL -- -$run
	wait $run || :
	cp "$ledger" "$BATS_TEST_TMPDIR/before"
	# It may well have been writing.
	printf 'clone 9' >> "$ledger"

	endurance 60
	at_least "$(restores)" 60 "restores"
	lines=$(wc -l < "$BATS_TEST_TMPDIR/before")
	head -n "$lines" "$ledger" | cmp - "$BATS_TEST_TMPDIR/before"
	is "$(grep -c ^boot "$ledger")" 1 "machines that were booted"
}

@test "endurance: when the time is up, it says so" {
	run -0 endurance --minutes 0 60
	[[ $output == *"60 restores # SKIP the time was up after 0"* ]]
}
