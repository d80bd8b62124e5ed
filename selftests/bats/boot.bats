#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Restored during boot: the guest is stopped at the first instruction of functions that
# its kernel calls on the way up, saved at each, and has to come up in two clones as if
# it had been there from the start: in generation 2, ready for it, without a complaint, and
# with nothing in common with any other clone.
#
# BOOT_POINTS says at how many [50].

load helpers

# In the order in which they are called, all initcalls as the linker has put them; and
# with a "!" those that are the last to be left out when there are too many.
functions_of_a_boot() {
	printf '%s !\n' start_kernel setup_arch trap_init sched_init rcu_init init_IRQ time_init \
		random_init acpi_early_init rest_init kernel_init
	initcalls | while read -r function; do
		case $function in
		acpi_init | *_acpi_*) echo "$function !" ;;
		vmgenid_*) printf '%s !\n' "$function" devm_vmgenctr_create add_vmfork_randomness \
			sha256 misc_register acpi_install_notify_handler ;;
		*) echo "$function" ;;
		esac
	done
	printf '%s !\n' kunit_run_all_tests free_initmem kernel_execve __x64_sys_mount random_ioctl
}

# The level of each is at the end of its name.
initcalls() {
	sort "$VMGEN_KERNEL/System.map" | sed -nE \
		's/.* __initcall__kmod_.*__[0-9]+_[0-9]+_(.*)(early|rootfs|[0-7]s?)$/\1/p' | awk '!seen[$1]++'
}

# choose COUNT: of those that this kernel has, all that have a "!" and others evenly; where
# even those are too many, of them
choose() {
	awk -v count="$1" '
		NR == FNR { has[$3]; next }
		!($1 in has) { next }
		{ name[++n] = $1; must[n] = $2 != ""; musts += must[n] }
		END {
			few = count < musts
			step = few ? count / musts : n > musts ? (count - musts) / (n - musts) : 0
			for (i = 1; i <= n; i++) {
				counts = must[i] == few
				share += counts * step
				if (counts ? share >= 1 - 1e-9 : must[i]) {
					print name[i]
					share -= counts
				}
			}
		}' "$VMGEN_KERNEL/System.map" -
}

# comes_up FUNCTION CLONE: of what was saved there
comes_up() {
	local name=$1-$2

	VM_PAUSED=1 vm_restore "$name" "$BATS_TEST_TMPDIR/$1"
	vm_await_agent "$name" '{"execute":"cont"}'
	# Without anybody having looked.  That the CRNG has been initialized since is noticed
	# by who looks.
	genstat "$name" status
	is "${G[status.generation]}" 2 "ready generation, restored at $1, $2"
	genstat "$name" read page status random
	is "${G[page.generation]} ${G[status.generation]} ${G[read.generation]}" "2 2 2" \
		"page, status and read(), restored at $1, $2"
	is "${G[page.hypervisor]}" 1 "hypervisor flag, restored at $1, $2"
	is "${G[status.reseeded]} ${G[read.reseeded]}" "1 1" "reseeded, restored at $1, $2"
	is "${G[read.instance]}" "${G[status.instance]}" "instance id, restored at $1, $2"
	vm_check_log "$name"
	vm_stop "$name"
	echo "${G[read.instance]} ${G[random]}" >> "$BATS_TEST_TMPDIR/unique"
}

siblings_come_up() {
	comes_up "$1" one
	comes_up "$1" two
	rm "$BATS_TEST_TMPDIR/$1"
}

# Each boots on by itself, and one processor is enough for it.
await_jobs() {
	local limit=$1 running

	while running=$(jobs -rp | wc -l) && ((running > limit)); do
		wait -n
	done
}

@test "boot: restored at ${BOOT_POINTS:-50} points of its boot, two clones come up in their generation, and differ" {
	local functions

	mapfile -t functions < <(functions_of_a_boot | choose "${BOOT_POINTS:-50}")
	is ${#functions[@]} "${BOOT_POINTS:-50}" "points"
	VM_PAUSED=1 vm_boot parent hypervisor -global migration.store-global-state=off
	for function in "${functions[@]}"; do
		vm_run_to parent "$function"
		vm_save parent "$BATS_TEST_TMPDIR/$function"
		siblings_come_up "$function" &
		await_jobs $(($(nproc) - 1))
	done
	await_jobs 0
	is "$(wc -l < "$BATS_TEST_TMPDIR/unique")" $((2 * ${BOOT_POINTS:-50})) "clones that came up"
	is "$(tr ' ' '\n' < "$BATS_TEST_TMPDIR/unique" | sort | uniq -d)" '' "same instance id, or random numbers"
}
