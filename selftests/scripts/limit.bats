#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# scripts/test when the time is over, and which parts it chooses.  What it runs are programs
# that print TAP and wait for as long as the test wants.
# shellcheck disable=SC2016 # what is in single quotes is for those programs

load helpers

ROOT=$BATS_TEST_DIRNAME/../..

setup() {
	make_copy
	mkdir -p "$COPY"/{kernel,qemu-device} "$COPY"/selftests/{model,harness,mutants}
	cp "$ROOT/kernel/base" "$COPY/kernel"
	cp "$ROOT/qemu-device/base" "$COPY/qemu-device"
	program scripts/build 'echo "$VMGEN_CACHE/store/built"'
	program selftests/model/run 'printf "%s\n" "ok 1 - one" "ok 2 - two" "ok 3 - three" 1..3'
	program selftests/harness/run-mutants '[ "$1" != --list ] || printf "%s\n" a b c d'
	program selftests/harness/run-kunit 'printf "%s\n" "ok 1 - one" 1..1'
}

teardown() {
	[[ ! -s $COPY/left ]] || kill "$(< "$COPY/left")" 2> /dev/null || :
	drop_copy
}

# program PATH SHELL-COMMANDS
program() {
	printf '#!/bin/bash\n%s\n' "$2" > "$COPY/$1"
	chmod +x "$COPY/$1"
}

# at_end PART...: when no time is left to begin with
at_end() {
	VMGEN_TEST_MINUTES=0 "$COPY/scripts/test" "$@" 2>&1
}

# at_last PART...: when two seconds are left
at_last() {
	SECONDS=58 VMGEN_TEST_MINUTES=1 "$COPY/scripts/test" "$@" 2>&1
}

# In a process group of its own, as machines are.
readonly HANGS='echo "ok 1 - one"
set -m
tail -f /dev/null > /dev/null &
echo $! > "${0%/selftests/*}/left"
wait'

has_ended() {
	! kill -0 "$1" 2> /dev/null
}

@test "limit: a part that is left out is as many skips as it has tests" {
	run -1 at_end mutants
	for name in a b c d; do
		has "ok - $name # SKIP the 0 minutes of VMGEN_TEST_MINUTES were over"
	done
	# And the two builds.
	[[ ${lines[-1]} == '0 passed, 0 failed, 6 skipped' ]]
}

@test "limit: a part whose tests have been seen before is left out by their names" {
	run -0 "$COPY/scripts/test" model
	[[ ${lines[-1]} == '3 passed, 0 failed, 0 skipped' ]]
	run -1 at_end model
	has 'ok - two # SKIP'
	[[ ${lines[-1]} == '0 passed, 0 failed, 3 skipped' ]]
}

@test "limit: a part whose tests are not known is left out by their number" {
	echo '7 model' > "$COPY/scripts/lib/counts"
	run -1 at_end model
	has 'ok - model: test 7 of 7 or more # SKIP'
	[[ ${lines[-1]} == '0 passed, 0 failed, 7 skipped' ]]
}

@test "limit: a part that a guarantee rests on is not left out without a failure" {
	run -1 at_end kunit
	has 'and G3 rests on them: the 0 minutes of VMGEN_TEST_MINUTES were over'
	[[ ${lines[-1]} =~ ^0\ passed,\ [1-9][0-9]*\ failed,\ 0\ skipped$ ]]
}

@test "limit: every part that Documentation/testing.md names for G1 to G7 is one of those" {
	local rests
	rests=$(sed -n '/RESTS_ON=(/,/)$/p' "$ROOT/scripts/test")
	for part in check qtest bats build kunit kselftest longterm proof; do
		[[ $rests == *"[$part]="* ]]
	done
	# What only test-long has carries no guarantee.
	sed -n 's/^| G[1-7] |[^|]*|\([^|]*\)|.*/\1/p' "$ROOT/Documentation/testing.md" > "$COPY/tests"
	[[ $(wc -l < "$COPY/tests") -eq 7 ]]
	sed -n '/^bats_files() {/,/^}/p' "$ROOT/scripts/test" | grep -o '[a-z-]*\.bats' > "$COPY/long"
	[[ $(wc -l < "$COPY/long") -ge 5 ]]
	sed -n '/^part_bats() {/,/^}/p' "$ROOT/scripts/test" > "$COPY/part"
	while read -r file; do
		! grep -w "bats/${file%.bats}" "$COPY/tests" || grep -q "bats/$file" "$COPY/part"
	done < "$COPY/long"
}

@test "limit: what runs when the time is over is stopped, and the rest of it counted" {
	program selftests/model/run "$HANGS"
	echo '3 model' > "$COPY/scripts/lib/counts"
	run -0 at_last model mutants
	has 'ok 1 - one'
	has 'ok - model: test 2 of 3 or more # SKIP'
	has 'ok - d # SKIP'
	[[ ${lines[-1]} == '1 passed, 0 failed, 8 skipped' ]]
	eventually has_ended "$(< "$COPY/left")"
}

@test "limit: what a guarantee rests on is stopped with a failure" {
	program selftests/harness/run-kunit "$HANGS"
	run -1 at_last kunit
	has 'not ok - kunit'
	has 'and G3 rests on them'
}

@test "limit: a build is stopped, too" {
	program scripts/build 'tail -f /dev/null'
	run -1 at_last kunit
	has 'not ok - build qemu'
}

@test "limit: a part that fails in time has failed" {
	program selftests/model/run 'printf "%s\n" "ok 1 - one" "not ok 2 - two" 1..2; exit 1'
	VMGEN_TEST_MINUTES=60 run -1 "$COPY/scripts/test" model
	[[ ${lines[-1]} == '1 passed, 1 failed, 0 skipped' ]]
}

@test "limit: a unit that has lost tests has failed" {
	echo '4 model' > "$COPY/scripts/lib/counts"
	run -1 "$COPY/scripts/test" model
	has 'not ok - model: it had 4 tests, and has 3'
}

# parts DAY: what continuous integration runs on it
parts() {
	VMGEN_TEST_DAY=$1 "$ROOT/scripts/test" --list ci 2> /dev/null
}

long_parts() {
	sed -n 's/^	@scripts\/test \(debug restores each .*\)/\1/p' "$ROOT/Makefile" | tr ' ' '\n' | sort
}

@test "limit: in any three days, all of test-long has had its turn" {
	local day
	"$ROOT/scripts/test" --list | sort > "$COPY/always"
	[[ -n $(long_parts) ]]
	for day in 0 1 2 20786 20787; do
		for next in 0 1 2; do
			parts $((day + next))
		done | sort | uniq -c | awk '$1 == 1 { print $2 }' | diff - <(long_parts)
		parts "$day" | sort | comm -13 - "$COPY/always" | diff - /dev/null
	done
}

@test "limit: of each third, each part is the first at some time" {
	local day
	for day in {0..8}; do
		parts "$day" | sed '1,/^mutants$/d' | head -n 1
	done | sort -u | diff - <(long_parts)
}

@test "limit: the third of a day is said" {
	VMGEN_TEST_DAY=1 run -0 "$ROOT/scripts/test" --list ci
	has 'of test-long, day 1 has: each stepped'
}
