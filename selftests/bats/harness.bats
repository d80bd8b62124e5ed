#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
#
# The harness itself: what it must not lose, and what it must not let pass.

load helpers

KTAP=$BATS_TEST_DIRNAME/../harness/ktap.awk

@test "harness: output and status of a command come back as they are" {
	vm_restore vm "$FIXTURE/hypervisor"
	run -7 vm_run vm 'echo out; echo err >&2; exit 7'
	is "$output" $'out\nerr' "output"
	is "$(vm_run vm 'i=0; while test $i -lt 256; do printf "\\$(printf %03o $i)"; i=$((i + 1)); done' | xxd -p -c 1 | uniq | wc -l)" \
		256 "different bytes"
	is "$(vm_run vm 'seq 1 20000' | sha256sum)" "$(seq 1 20000 | sha256sum)" "long output"
}

@test "harness: the channel works in a clone whose parent was saved in the middle of an answer" {
	local answer=$BATS_TEST_TMPDIR/answer

	vm_restore parent "$FIXTURE/hypervisor"
	mkfifo "$answer"
	vm_run parent 'seq 1 100000000' > "$answer" 2> /dev/null &
	exec 7< "$answer"
	read -r -u 7 _
	vm_save parent "$BATS_TEST_TMPDIR/talking"
	vm_stop parent
	exec 7<&-
	vm_restore clone "$BATS_TEST_TMPDIR/talking"
	is "$(vm_run clone 'echo alive')" alive "answer"
	# Killed is not yet gone.
	vm_run clone 'while pidof seq; do usleep 10000; done'
}

@test "harness: a command that outlives its time is a failure, and no hindrance" {
	vm_restore vm "$FIXTURE/hypervisor"
	VM_TIMEOUT=2 run -125 vm_run vm 'sleep 1000'
	[[ $output == *'no answer'* ]]
	is "$(vm_run vm 'echo alive')" alive "the next answer"
}

@test "harness: a guest that panics is a failure, of the command and of the log" {
	vm_restore vm "$FIXTURE/hypervisor"
	run -125 vm_run vm 'echo c > /proc/sysrq-trigger'
	run -1 vm_check_log vm
	[[ $output == *'Kernel panic'* ]]
	vm_stop vm
	: > "$VM_ROOT/vm/console.log"
}

@test "harness: the end of the agent is a panic" {
	vm_restore vm "$FIXTURE/hypervisor"
	run -125 vm_run vm 'kill $(pidof agent)'
	run -1 vm_check_log vm
	: > "$VM_ROOT/vm/console.log"
}

@test "harness: the guests of a run that was killed are ended by the next, also before it is reaped" {
	local root parent owner guest

	root=$(vm_init && vm_restore orphan "$FIXTURE/hypervisor" && echo "$VM_ROOT")
	# A zombie: it ends when its parent is a program that does not know of it.
	bash -c 'until [[ $(< /proc/$$/comm) == sleep ]]; do :; done &
		echo $! > "$1" && exec sleep 300' - "$root/owner" > /dev/null 3>&- &
	parent=$!
	until grep -qs sleep "/proc/$parent/comm"; do
		kill -0 "$parent"
		sleep 0.01
	done
	owner=$(< "$root/owner")
	while vm_alive "$owner"; do
		sleep 0.01
	done
	[[ -e /proc/$owner ]]
	guest=$(< "$root/orphan/pid")
	vm_alive "$guest"
	vm_sweep
	kill "$parent"
	[[ ! -e $root ]]
	run ! vm_alive "$guest"
}

# check_line TEXT: what vm_check_log says about a log with this line
check_line() {
	mkdir -p "$VM_ROOT/log"
	printf '[    0.1] before\r\n[    1.234567] %s\r\n' "$1" > "$VM_ROOT/log/console.log"
	vm_check_log log 2> /dev/null
}

@test "harness: complaints of the kernel fail a test, banners of its debugging aids do not" {
	local line

	while read -r line; do
		run check_line "$line"
		is "$status" 1 "status for: $line"
	done <<- 'END'
		WARNING: CPU: 0 PID: 1 at drivers/virt/vmgenctr.c:1 vmgenctr_update+0x1/0x2
		WARNING: possible circular locking dependency detected
		------------[ cut here ]------------
		BUG: KASAN: slab-use-after-free in vmgenctr_read_iter+0x1/0x2
		BUG: kernel NULL pointer dereference, address: 0000000000000000
		Oops: 0000 [#1] PREEMPT SMP
		INFO: task pollspan:42 blocked for more than 120 seconds.
		INFO: possible recursive locking detected
		rcu: INFO: rcu_preempt self-detected stall on CPU
		UBSAN: array-index-out-of-bounds in drivers/virt/vmgenctr.c:1:2
		kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
		Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100
	END
	while read -r line; do
		check_line "$line"
	done <<- 'END'
		Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar
		... MAX_LOCKDEP_SUBCLASSES:  8
		kasan: KernelAddressSanitizer initialized (generic)
		kmemleak: Kernel memory leak detector initialized (mem pool available: 15679)
		RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable to RETBleed attacks, data leaks possible!
		random: crng reseeded due to virtual machine fork
	END
	rm -r "$VM_ROOT/log"
}

flatten() {
	awk -v name=x -f "$KTAP"
}

@test "harness: KTAP is flattened, with what is missing as a failure" {
	is "$(printf '1..2\nok 1 a\nok 2 b # SKIP why\n' | flatten)" \
		$'ok - x: a\nok - x: b # SKIP why' "a complete plan"
	is "$(printf '1..2\nok 1 a\n' | flatten)" \
		$'ok - x: a\nnot ok - x: all tests report # 1 of 2 did' "a plan that was not kept"
	is "$(printf 'ok 1 a\n' | flatten | grep -c '^not ok')" 1 "failures without a plan"
	is "$(printf '1..0\n' | flatten | grep -c '^not ok')" 1 "failures of an empty plan"
	is "$(printf '' | flatten | grep -c '^not ok')" 1 "failures of silence"
	is "$(printf '%s\n' '[ 1.0][ T1] 1..1' '[ 1.0]     # Subtest: s' '[ 1.0]     1..2' \
		'[ 1.0]     ok 1 a' '[ 1.1] noise' '[ 1.1]     not ok 2 b' '[ 1.2] not ok 1 s' | flatten)" \
		$'ok - x: s a\nnot ok - x: s b' "a suite on the console"
}
