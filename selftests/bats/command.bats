#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
#
# The vmgen command in machines that are restored.  What needs no machine is tested with
# libvmgen.

load helpers

readonly DRIVER=/sys/bus/platform/drivers/vmgenid

# json FILTER JSON: true of it
json() {
	jq -e "$1" <<< "$2" > /dev/null || { echo "not true of $2: $1" >&2; return 1; }
}

# siblings MODE COMMAND: two clones, a and b, of a machine in which COMMAND waits
siblings() {
	vm_restore parent "$FIXTURE/$1"
	vm_run parent 'genstat read > /dev/null'
	waiting parent "$2"
	vm_save parent "$BATS_TEST_TMPDIR/waiting"
	vm_stop parent
	vm_restore a "$BATS_TEST_TMPDIR/waiting"
	vm_restore b "$BATS_TEST_TMPDIR/waiting"
}

# The driver is taken from its device.
unbind() {
	vm_run "$1" "cd $DRIVER && ls | grep -m1 : > /run/device && cat /run/device > unbind"
}

@test "command: status says what the kernel says, in both modes" {
	local said

	for mode in hypervisor software; do
		vm_restore $mode "$FIXTURE/$mode"
		said=$(vm_run $mode 'vmgen status --json')
		genstat $mode read
		is "$(jq -r .status <<< "$said")" ACTIVE "status"
		is "$(jq -r .backend <<< "$said")" vmgenctr "backend"
		is "$(jq -r .generation <<< "$said")" "${G[read.generation]}" "generation"
		is "$(jq -r .instance_id <<< "$said")" "${G[read.instance]}" "instance id"
		json ".hypervisor == (\"$mode\" == \"hypervisor\") and .crng_reseeded" "$said"
	done
}

@test "command: without the device, status, wait and doctor say so" {
	local said

	vm_restore vm "$FIXTURE/hypervisor"
	unbind vm
	run -4 vm_run vm 'vmgen status --json'
	is "$(jq -r .status <<< "$output")" ABSENT "status"
	run -4 vm_run vm 'vmgen wait --timeout 60'
	[[ $output == *'no counter'*'vmgen doctor'* ]]
	run -1 vm_run vm 'vmgen doctor --json'
	said=$output
	json '.checks[] | select(.check == "counter") | .verdict == "problem"' "$said"
	json '.checks[] | select(.check == "counter") | .advice | contains("VM Generation ID")' "$said"
	json '.checks[] | select(.check == "getrandom") | .verdict == "problem"' "$said"
	vm_run vm "cat /run/device > $DRIVER/bind && vmgen status -q"
}

# As NOTIFY_ONLY (3) or DENIED (5): the driver may tell of changes all the same.
@test "command: who may not open the device is told so, and what to do" {
	vm_restore vm "$FIXTURE/hypervisor"
	vm_run vm 'echo user:x:1000:1000::/:/bin/sh > /etc/passwd; su user -c "vmgen status -q"'
	vm_run vm 'chmod 0400 /dev/vmgenctr'
	run vm_run vm 'su user -c "vmgen status --quiet"'
	[[ $status == [35] ]]
	run -1 vm_run vm 'su user -c "vmgen doctor --json"'
	json '.checks[0] | .verdict == "problem" and (.found | contains("this user may not open")) and
		(.advice | contains("70-vmgen.rules"))' "$output"
	# Root, who is not kept out, is told of those who are.
	run -1 vm_run vm 'vmgen doctor --json'
	json '.problems == 1 and any(.checks[]; .check == "permission" and .verdict == "problem")' "$output"
}

@test "command: where a change is told and cannot be checked, watch and exec work" {
	vm_restore parent "$FIXTURE/hypervisor"
	vm_run parent 'echo user:x:1000:1000::/:/bin/sh > /etc/passwd; genstat read > /dev/null; chmod 0400 /dev/vmgenctr'
	waiting parent 'su user -c "exec vmgen watch --json --count 1"'
	vm_save parent "$BATS_TEST_TMPDIR/notified"
	vm_stop parent
	vm_restore a "$BATS_TEST_TMPDIR/notified"
	is "$(output a)" '{"status":"NOTIFY_ONLY"}' "line"
	waiting a "su user -c 'exec vmgen exec --initial --count 2 sh -c \"echo run \\\${VMGEN_GENERATION-unknown}\"'"
	vm_save a "$BATS_TEST_TMPDIR/notified"
	vm_restore b "$BATS_TEST_TMPDIR/notified"
	is "$(output b)" $'run unknown\nrun unknown' "runs"
}

@test "command: wait, started before the snapshot, returns in each clone" {
	for mode in hypervisor software; do
		siblings $mode 'vmgen wait'
		for clone in a b; do
			is "$(output $clone)" 3 "generation in $clone"
			genstat $clone status
			is "${G[status.generation]}" 3 "ready generation in $clone"
			vm_stop $clone
			vm_check_log $clone
			rm -r "${VM_ROOT:?}/$clone"
		done
		rm -r "${VM_ROOT:?}/parent"
	done
}

@test "command: watch has one line for each restore, with the id of the clone" {
	local -A id=()

	siblings hypervisor 'vmgen watch --json'
	for clone in a b; do
		vm_run $clone 'until test -s /run/out; do usleep 10000; done'
		genstat $clone read
		json '.generation == "3" and .crng_reseeded' "$(vm_run $clone 'cat /run/out')"
		id[$clone]=$(vm_run $clone 'cat /run/out' | jq -r .instance_id)
		is "${id[$clone]}" "${G[read.instance]}" "instance id of $clone"
	done
	isnt "${id[a]}" "${id[b]}" "instance id"
	# The clone of a clone: had there been two lines for one restore, there were three.
	vm_save a "$BATS_TEST_TMPDIR/again"
	vm_restore c "$BATS_TEST_TMPDIR/again"
	vm_run c 'until test $(wc -l < /run/out) -ge 2; do usleep 10000; done'
	is "$(vm_run c 'cat /run/out' | jq -r .generation | paste -sd ' ')" '3 4' "generations"
}

@test "command: exec runs its command once for each restore, when the kernel is ready" {
	local told='echo $VMGEN_GENERATION $VMGEN_INSTANCE_ID $VMGEN_CRNG_RESEEDED $(genstat status | grep status.generation) >> /run/runs'

	for mode in hypervisor software; do
		vm_restore parent "$FIXTURE/$mode"
		vm_run parent "genstat read > /dev/null; echo '$told' > /run/hook"
		waiting parent 'vmgen exec -- sh /run/hook'
		vm_save parent "$BATS_TEST_TMPDIR/exec"
		for clone in a b; do
			vm_restore $clone "$BATS_TEST_TMPDIR/exec"
			vm_run $clone 'until test -s /run/runs; do usleep 10000; done'
			genstat $clone read
			is "$(vm_run $clone 'cat /run/runs')" \
				"3 ${G[read.instance]} 1 status.generation=3" "run in $clone"
		done
		vm_save a "$BATS_TEST_TMPDIR/again"
		vm_restore c "$BATS_TEST_TMPDIR/again"
		vm_run c 'until test $(wc -l < /run/runs) -ge 2; do usleep 10000; done'
		is "$(vm_run c 'cut -d " " -f 1 /run/runs' | paste -sd ' ')" '3 4' "runs in the clone of a clone"
		vm_check_logs
		vm_stop_all
		rm -r "${VM_ROOT:?}"/{parent,a,b,c}
	done
}

@test "command: doctor has nothing to say of a machine that is protected" {
	vm_restore vm "$FIXTURE/hypervisor"
	run -0 vm_run vm 'vmgen doctor'
	[[ $output == *'nothing to do'* ]]
	run -0 vm_run vm 'vmgen doctor --json'
	json '.problems == 0' "$output"
	json '[.checks[] | select(.verdict == "ok") | .check] ==
		["counter", "permission", "mode", "readiness", "getrandom", "fork", "processes"]' "$output"
	# There is no OpenSSL in this guest to be asked.
	json '[.checks[] | select(.complete | not) | .check] == ["openssl"] and .incomplete == 1' "$output"
}

@test "command: doctor says that software mode is late" {
	vm_restore vm "$FIXTURE/software"
	run -1 vm_run vm 'vmgen doctor --json'
	json '[.checks[] | select(.verdict == "problem") | .check] == ["mode"]' "$output"
}

@test "command: on vmclock alone, nobody says that the kernel is reseeded" {
	vm_boot vm hypervisor -device vmclock
	vm_run vm 'test -c /dev/vmclock0' || skip_vmclock
	vm_run vm 'rm /dev/vmgenctr'
	run -0 vm_run vm 'vmgen status --json'
	json '.backend == "vmclock" and .instance_id == null and .crng_reseeded == false' "$output"
	run -1 vm_run vm 'vmgen doctor --json'
	json '[.checks[] | select(.verdict == "problem") | .check] == ["permission", "mode", "readiness"]' "$output"
	# Those who may not open it cannot tell whether it counts.
	vm_run vm 'echo user:x:1000:1000::/:/bin/sh > /etc/passwd'
	run -1 vm_run vm 'su user -c "vmgen doctor --json"'
	json '.checks[0] | .verdict == "problem" and
		(.found | contains("there is /dev/vmclock0, which this user may not open; whether it has a counter is not known")) and
		(.advice | contains("70-vmgen.rules"))' "$output"
	waiting vm 'vmgen exec --initial --count 2 sh -c "echo \$VMGEN_CRNG_RESEEDED \${VMGEN_INSTANCE_ID-none}"'
	vm_save vm "$BATS_TEST_TMPDIR/clock"
	vm_restore clone "$BATS_TEST_TMPDIR/clock"
	is "$(output clone)" $'0 none\n0 none' "runs"
}
