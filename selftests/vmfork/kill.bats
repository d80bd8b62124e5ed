#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The command is killed, or interrupted, at each of its named steps: the machine that ran
# runs on, "vmfork ls" shows what there is, and "vmfork rm" removes it.  Long.

load helpers

setup_file() {
	: "${VMFORK_TEST:=$(. "$BATS_TEST_DIRNAME/machine.bash" && machine_build vmfork-test)/vmfork}"
	export VMFORK_TEST
}

steps_of() {
	"$VMFORK_TEST" steps | grep -E "^($1)-"
}

# dies BY STEP VERB...: 137 or 130, or 0 where it does not come to that step
dies() {
	local rc=0

	VMFORK_DIE_AT=$2 VMFORK_DIE_BY=$1 "$VMFORK_TEST" --json "${@:3}" > "$VM_ROOT/out" 2> "$VM_ROOT/err" 3>&- || rc=$?
	[[ $1:$rc == KILL:137 || $1:$rc == INT:130 ]] && REACHED=1 && return
	((rc == 0)) || { echo "$2 by $1: status $rc" >&2; cat "$VM_ROOT/err" >&2; return 1; }
	REACHED=''
}

# goes_on NAME WHEN: the guest computes, and its next snapshot is right
goes_on() {
	becomes 30 running "$1" || { echo "after $2" >&2; return 1; }
	VM_TIMEOUT=30 vm_run "$1" true || { echo "no answer after $2" >&2; return 1; }
}

# only NAME...: nothing else is there after a removal of everything else
clean_but() {
	local keep=" $* " name names=()

	for name in $(machine_names); do
		[[ $keep == *" $name "* ]] || names+=("$name")
	done
	((${#names[@]} == 0)) || vf rm --force "${names[@]}" > /dev/null
	is "$(machine_names | sort | xargs)" "$(printf '%s\n' "$@" | sort | xargs)" "what is left"
}

# stands_on SNAP LOWER: and the lower one is whole, too
stands_on() {
	[[ $(jq -r '.base // empty' "$VMFORK_DIR/snapshots/$1/meta.json") == "$2" ]] &&
		viewcheck pairs "$(view_of "$2" ram)" 1 1 direct > /dev/null
}

@test "kill: snapshot, at each step, by kill -9 and by ^C" {
	local by step reached=0 names

	machine_run vm
	machine_pairs vm 1 256
	vf snapshot vm first
	for by in KILL INT; do
		for step in $(steps_of snapshot); do
			dies "$by" "$step" snapshot vm half
			goes_on vm "$step by $by"
			[[ -z $REACHED ]] || reached=$((reached + 1))
			viewcheck pairs "$(view_of first ram)" 1 1 direct > /dev/null
			# One that is whole is what the first one stands on from now on.
			stands_on first half || clean_but vm first
			vf snapshot vm whole > /dev/null
			viewcheck pairs "$(view_of whole ram)" 1 1 direct > /dev/null
			readarray -t names < <(machine_names | grep -vx vm)
			vf rm --force "${names[@]}" > /dev/null
			vf snapshot vm first > /dev/null
		done
	done
	at_least "$reached" 20 "steps that were tried"
}

@test "kill: fork, at each step, by kill -9 and by ^C" {
	local by step reached=0 count

	machine_run vm
	count=$(machine_hold vm 1 1024)
	vf snapshot vm snap
	machine_ask vm 1 write 2
	for by in KILL INT; do
		for step in $(steps_of 'fork|launch'); do
			dies "$by" "$step" fork snap --name half
			[[ -z $REACHED ]] || reached=$((reached + 1))
			goes_on vm "$step by $by"
			clean_but vm snap
			vf fork snap --name half > /dev/null
			machine_follow half
			machine_await half
			holds half 1 1 "$count"
			clean_but vm snap
		done
	done
	at_least "$reached" 12 "steps that were tried"
}

@test "kill: rollback, at each step, by kill -9 and by ^C: the machine is what it was, or what it shall be" {
	local by step reached=0 count said

	machine_run vm
	count=$(machine_hold vm 1 1024)
	vf snapshot vm snap
	for by in KILL INT; do
		for step in $(steps_of 'rollback|launch'); do
			machine_ask vm 1 write 2
			dies "$by" "$step" rollback vm snap
			[[ -z $REACHED ]] || reached=$((reached + 1))
			# Where the old one had ended, the next command that looks takes it up again.
			vf ls > /dev/null
			machine_follow vm
			becomes 30 running vm || vf rollback vm snap > /dev/null
			machine_await vm
			said=$(machine_ask vm 1 check 1)
			[[ $said == "$count of $count" ]] || holds vm 1 2 "$count"
			clean_but vm snap
		done
	done
	at_least "$reached" 14 "steps that were tried"
}

@test "kill: run, at each step, by kill -9 and by ^C" {
	local by step MACHINE reached=0

	machine_options
	for by in KILL INT; do
		for step in $(steps_of 'run|launch'); do
			dies "$by" "$step" run half --memory 128M --qemu "$VMGEN_QEMU/bin/qemu-system-x86_64" -- "${MACHINE[@]}"
			[[ -z $REACHED ]] || reached=$((reached + 1))
			[[ $by != INT || -z $REACHED ]] || is "$(vf ls | jq '.machines | length')" 0 "machines after ^C at $step"
			clean_but
			nothing_left
		done
	done
	at_least "$reached" 12 "steps that were tried"
}

@test "kill: save, at each step: what is there under the name is whole, or is not there" {
	local by step reached=0 count

	machine_run vm
	count=$(machine_hold vm 1 1024)
	vf snapshot vm snap
	for by in KILL INT; do
		for step in $(steps_of save); do
			dies "$by" "$step" save snap "$VM_ROOT/saved"
			[[ -z $REACHED ]] || reached=$((reached + 1))
			goes_on vm "$step by $by"
			if [[ -e $VM_ROOT/saved ]]; then
				vf load "$VM_ROOT/saved" copy > /dev/null
				machine_follow copy
				machine_await copy
				holds copy 1 1 "$count"
				vf rm --force copy
				rm -r "$VM_ROOT/saved"
			fi
			vf save snap "$VM_ROOT/saved" > /dev/null
			rm -r "$VM_ROOT/saved"
		done
	done
	at_least "$reached" 5 "steps that were tried"
}

@test "kill: rm, at each step: doing it again completes it" {
	local by step reached=0

	machine_run vm
	for by in KILL INT; do
		for step in $(steps_of rm); do
			vf snapshot vm snap > /dev/null
			dies "$by" "$step" rm snap
			[[ -z $REACHED ]] || reached=$((reached + 1))
			goes_on vm "$step by $by"
			clean_but vm
		done
	done
	at_least "$reached" 4 "steps that were tried"
}
