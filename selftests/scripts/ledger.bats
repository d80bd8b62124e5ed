#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The judge of the endurance test, on ledgers that no machine has written: it accepts
# what a lineage may do, and refuses each lie by the rule that is broken, and no other.

load helpers

JUDGE=$BATS_TEST_DIRNAME/../harness/ledger.awk

INCREASES='the generation increases with every restore'
NEVER_TWICE='no process hands one out twice'
NEXT='none is left out, and siblings get the same one'
UNIQUE='instance ids and random numbers never repeat'
READY='the kernel becomes ready for each, and has reseeded'
ONCE='page, vmgen_changed(), read(), poll() and uevent tell each once'
MOVED='a machine that moves keeps its generation and instance id'
KNOWN='the ledger is well-formed'

# A machine of which a clone runs in 3, in generation 2, was saved as 4, and restored.
beginning() {
	cat <<-END
		session 1764000000 0.50
		boot 1 1 1 1 1 id-1 random-1 0 0 0 0 0 ok 9
		save 2 1
		clone 3 2 2 2 2 1 id-2 random-2 1 1 1 1 1 ok 9
		save 4 3
		load 3 4 3 3 3 1 id-3 random-3 2 2 2 2 2 ok 9
	END
}

# judge LINE...: behind the beginning
judge() {
	{ beginning && printf '%s\n' "$@"; } | awk -v want="${WANT:-2}" -v why="${WHY:-}" -f "$JUDGE"
}

refused() {
	judge "$@" | sed -n 's/^not ok - endurance: //p'
}

accepted() {
	run -0 judge "$@"
	[[ -z $(refused "$@") && $(grep -c '^ok - endurance: ' <<< "$output") == 9 ]] || { echo "$output"; return 1; }
}

# refused_by RULE LINE...: each of them, by that rule alone
refused_by() {
	local rule=$1 line got

	shift
	for line; do
		got=$(refused "$line")
		[[ $got == "$rule" ]] || { echo "$line: refused by '$got', not by '$rule'"; return 1; }
	done
}

@test "ledger: what a lineage may do is accepted" {
	accepted 'load 3 4 4 4 4 1 id-4 random-4 2 2 2 2 2 ok 9'
	accepted 'clone 5 2 2 2 2 1 id-4 random-4 1 1 1 1 1 ok 9' 'round 3'
	accepted 'save 5 3' 'load 3 5 4 4 4 1 id-4 random-4 3 3 3 3 3 ok 9' \
		'load 3 4 5 5 5 1 id-5 random-5 2 2 2 2 2 ok 9'
	accepted 'move 5 4 2 id-2' 'save 6 5' 'clone 7 6 3 3 3 1 id-4 random-4 2 2 2 2 2 ok 9'
}

@test "ledger: a generation that goes backwards, or stands" {
	refused_by "$INCREASES" 'load 3 4 1' 'load 3 4 2' 'clone 5 4 2' 'clone 5 2 1'
}

@test "ledger: a generation that a process has handed out before" {
	refused_by "$NEVER_TWICE" 'load 3 4 3' 'load 3 4 3 3 3 1 id-4 random-4 2 2 2 2 2 ok 9'
}

@test "ledger: a generation that is skipped, or not that of the sibling" {
	refused_by "$NEXT" 'load 3 4 5' 'clone 5 4 4' 'clone 5 2 3'
}

@test "ledger: an instance id or a random number that was seen before" {
	refused_by "$UNIQUE" \
		'load 3 4 4 4 4 1 id-3 random-4 2 2 2 2 2 ok 9' \
		'load 3 4 4 4 4 1 id-4 random-3 2 2 2 2 2 ok 9' \
		'clone 5 2 2 2 2 1 id-2 random-4 1 1 1 1 1 ok 9' \
		'clone 5 2 2 2 2 1 id-1 random-4 1 1 1 1 1 ok 9' \
		'clone 5 2 2 2 2 1 id-4 random-1 1 1 1 1 1 ok 9'
}

@test "ledger: a guest that is not ready, has not reseeded, or tells another generation" {
	refused_by "$READY" \
		'load 3 4 4 4 3 1 id-4 random-4 2 2 2 2 2 ok 9' \
		'load 3 4 4 4 4 0 id-4 random-4 2 2 2 2 2 ok 9' \
		'load 3 4 4 3 4 1 id-4 random-4 2 2 2 2 2 ok 9' \
		'load 3 4 4 5 5 1 id-4 random-4 2 2 2 2 2 ok 9'
}

@test "ledger: a change that is missed or told twice, by any of the ways" {
	local way counts

	for way in 1 2 3 4 5; do
		for counts in 1 3; do
			counts=$(awk -v way=$way -v n=$counts 'BEGIN { $0 = "2 2 2 2 2"; $way = n; print }')
			refused_by "$ONCE" "load 3 4 4 4 4 1 id-4 random-4 $counts ok 9"
		done
	done
	refused_by "$ONCE" 'load 3 4 4 4 4 1 id-4 random-4 2 2 2 2 2 went-back 9'
}

@test "ledger: restored again before the guest has looked, one or two changes are told" {
	local hasty=$'load 3 4 4\nsave 5 3\nload 3 5 5 5 5 1 id-5 random-5'

	accepted "$hasty 2 3 2 3 2 ok 9"
	refused_by "$ONCE" "$hasty 1 2 2 2 2 ok 9" "$hasty 2 2 2 2 4 ok 9"
}

@test "ledger: a machine that moves and is counted, or gets another instance id" {
	refused_by "$MOVED" 'move 5 4 3 id-2' 'move 5 4 1 id-2' 'move 5 4 2 id-3' 'move 5 4 2'
}

@test "ledger: a line that is not known, and a snapshot that nobody took" {
	refused_by "$KNOWN" 'jump 3 4 4' 'clone 5 9 3' 'load 3 9 4' 'move 5 9 2 id-2'
}

@test "ledger: restores that are missing, and why" {
	WANT=3 refused_by '3 restores # it ended after 2' 'round 3'
	WANT=3 WHY='the time was up' accepted 'round 3'
	WANT=3 WHY='the time was up' run -0 judge 'round 3'
	has 'ok - endurance: 3 restores # SKIP the time was up after 2'
}
