# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# How long waiters sleep after a restore, in the guest's time.  For scripts/bench and
# selftests/experiments/latency; needs selftests/harness/vm.bash.
#
#   wake_bench RESTORES        print a table; 1 if something went wrong
#   wake_prepare               a snapshot of a guest that waits in each of WAKE_WAYS; sets
#                              what guests are to have from now on, VM_SMP and VMGEN_INITRAMFS
#   wake_measure_all RESTORES  restore it, and print "WAY NANOSECONDS" lines
#
# All ways are waited in at once, so each restore is one sample of each.

WAKE_WAYS='poll watch io_uring uevent udev'

# wake_build DIR [UDEVADM]: print an initramfs
wake_build() {
	local build=$1 with=()

	# The daemon is the same file as udevadm, under another name.
	[[ -z $2 ]] || with=(--with "$2:/bin/udevadm" --with "$2:/lib/systemd/systemd-udevd"
		--with "$VMGEN_ROOT/libvmgen/tools/udev/70-vmgen.rules:/usr/lib/udev/rules.d/70-vmgen.rules")

	make --no-print-directory -s -C "$VMGEN_ROOT/libvmgen/uring" BUILD="$build" \
		"$build/uring/bench/vmgen-wake-bench" >&2 || return
	"$VMGEN_ROOT/selftests/harness/initramfs" \
		--with "$build/uring/bench/vmgen-wake-bench:/bin/vmgen-wake-bench" "${with[@]}"
}

# wake_said NAME REGEX: wait until its console has it, and print the line.  Nothing is
# asked of the guest, whose processors have better things to do.  A line that has no end
# yet may be half of one.
wake_said() {
	local console=$VM_ROOT/$1/console.log end=$((SECONDS + VM_TIMEOUT))

	until awk -v regex="$2" 'sub(/\r$/, "") && $0 ~ regex { print; found = 1; exit }
			END { exit !found }' "$console"; do
		((SECONDS < end)) || { vm_error "$1" "did not say $2"; return 1; }
		sleep 0.1
	done
}

# wake_save NAME MODE COMMAND...: a guest in which each of WAKE_WAYS is waited in, begun
# after the command
wake_save() {
	local name=$1

	vm_boot "$name" "$2" || return
	shift 2
	[[ " $WAKE_WAYS " != *" udev "* ]] || wake_udev "$name" || return
	"$@" && vm_run "$name" "vmgen-wake-bench $WAKE_WAYS < /dev/null > /dev/console 2>&1 &" &&
		wake_waits "$name" && vm_save "$name" "$VM_ROOT/$name.state" && vm_stop "$name"
}

wake_udev() {
	vm_run "$1" "/lib/systemd/systemd-udevd --daemon && udevadm trigger --action=add &&
		udevadm settle --timeout=$VM_TIMEOUT" > /dev/null && return
	vm_error "$1" "systemd-udevd does not settle"
	return 1
}

wake_waits() {
	local said

	said=$(wake_said "$1" '^(waiting|vmgen-wake-bench: .*)$') || return
	[[ $said != waiting ]] || return 0
	vm_error "$1" "$said"
	return 1
}

# wake_measure NAME NUMBER: "WAY NANOSECONDS" lines, or what went wrong
wake_measure() {
	local clone=$1-$2

	vm_restore "$clone" "$VM_ROOT/$1.state" &&
		wake_said "$clone" '^(woken|vmgen-wake-bench:) ' | sed '/^woken /!b; s/^woken //; s/=/ /g; s/ \([a-z]\)/\n\1/g' &&
		vm_check_log "$clone" && vm_stop "$clone" || return
	rm -rf "${VM_ROOT:?}/$clone"
}

wake_measure_all() {
	local number

	for ((number = 1; number <= $1; number++)); do
		wake_measure wake "$number" || return
	done
}

wake_table() {
	sort -k 1,1 -k 2,2n | awk -v ways="$WAKE_WAYS" '
		{ ns[$1, ++n[$1]] = $2 }
		END {
			printf "%-34s %12s %12s %12s %12s\n", "", "least us", "median us", "max us", "ratio"
			name["poll"] = "poll() of /dev/vmgenctr"
			name["watch"] = "vmgen_watch_wait()"
			name["io_uring"] = "io_uring, vmgen_uring_arm()"
			name["uevent"] = "uevent of the kernel, netlink"
			name["udev"] = "uevent through systemd-udevd"
			split(ways, way, " ")
			for (i = 1; i in way; i++) {
				w = way[i]
				m = ns[w, int((n[w] + 1) / 2)]
				if (i == 1)
					base = m
				printf "%-34s %12.0f %12.0f %12.0f %12.2f\n", name[w],
					ns[w, 1] / 1000, m / 1000, ns[w, n[w]] / 1000, m / base
			}
		}'
}

wake_prepare() {
	local udevadm

	udevadm=$(command -v udevadm) || WAKE_WAYS=${WAKE_WAYS% udev}
	# shellcheck disable=SC2034 # both are for vm_boot and vm_restore
	VM_SMP=2 VMGEN_INITRAMFS=$(wake_build "$VM_ROOT/build" "$udevadm") || return
	wake_save wake hypervisor :
}

wake_bench() {
	local all

	wake_prepare && all=$(wake_measure_all "$1") || return
	wake_table <<<"$all"
}
