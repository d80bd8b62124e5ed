#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
#
# The udev rules, with the udevd of the build machine in a guest.

load helpers

readonly RULES=/usr/lib/udev/rules.d/70-vmgen.rules

# The daemon is the same file as udevadm, under another name.
setup_file() {
	local udevadm top=$BATS_TEST_DIRNAME/../..

	udevadm=$(command -v udevadm)
	VMGEN_INITRAMFS=$("$top/selftests/harness/initramfs" --with "$udevadm:/bin/udevadm" \
		--with "$udevadm:/lib/systemd/systemd-udevd" \
		--with "${LIBVMGEN:-$top/libvmgen}/tools/udev/70-vmgen.rules:$RULES")
	export VMGEN_INITRAMFS
}

# boot NAME MODE [QEMU-ARG...]: udevd runs, and has dealt with what there was at boot
boot() {
	vm_boot "$@"
	vm_run "$1" '/lib/systemd/systemd-udevd --daemon &&
		udevadm trigger --action=add && udevadm settle --timeout=300'
}

# hook NAME: what the administrator runs for a change
hook() {
	vm_run "$1" 'mkdir -p /etc/vmgen; cat > /etc/vmgen/changed << "EOF"
#!/bin/sh
echo "$ACTION $DEVNAME $VMGENCTR_GENERATION" >> /run/changes
EOF
		chmod 755 /etc/vmgen/changed'
}

# changes NAME: what the hook has written once an event that comes later is dealt with,
# too: one of our own making, which is no change of the machine.
changes() {
	vm_run "$1" 'until test -s /run/changes; do usleep 10000; done
		echo change > /sys/class/misc/vmgenctr/uevent
		udevadm settle --timeout=300 && cat /run/changes'
}

mode() {
	vm_run "$1" "stat -c %a $2"
}

# complaints NAME FILE: lines of FILE that udevd cannot make sense of
complaints() {
	vm_run "$1" 'udevadm test /sys/class/misc/vmgenctr 2>&1' |
		grep -iE "$2:[0-9]+.*(unknown|invalid|fail|ignor|unexpected)" || :
}

@test "udev: the rules are understood" {
	boot vm hypervisor
	if vm_run vm 'udevadm verify --help' > /dev/null 2>&1; then
		vm_run vm "udevadm verify --resolve-names=late $RULES"
	fi
	is "$(complaints vm 70-vmgen.rules)" "" "what udevd says of the rules"
	# So that silence means something.
	vm_run vm 'mkdir -p /run/udev/rules.d
		echo "KERNEL==\"vmgenctr\", FROWN=\"0444\"" > /run/udev/rules.d/71-wrong.rules'
	isnt "$(complaints vm 71-wrong.rules)" "" "what udevd says of a wrong rule"
}

@test "udev: everyone may read the counters, and nothing else changes" {
	boot vm hypervisor
	is "$(mode vm /dev/vmgenctr)" 444 "mode of vmgenctr"
	is "$(mode vm /dev/hpet)" 600 "mode of another misc device"
	vm_run vm 'echo user:x:1000:1000::/:/bin/sh > /etc/passwd; chmod 0400 /dev/vmgenctr'
	run vm_run vm 'su user -c "vmgen doctor"'
	# What the doctor says to do helps.
	[[ $output == *'"udevadm trigger --subsystem-match=misc"'* ]]
	vm_run vm 'udevadm trigger --subsystem-match=misc && udevadm settle --timeout=300'
	is "$(mode vm /dev/vmgenctr)" 444 "mode afterwards"
	vm_run vm 'su user -c "vmgen status -q"'
}

@test "udev: vmclock, which is root's by default, is one of them" {
	vm_boot vm hypervisor -device vmclock
	vm_run vm 'test -e /dev/vmclock0' || skip_vmclock
	is "$(mode vm /dev/vmclock0)" 600 "mode of vmclock0 without udev"
	vm_run vm '/lib/systemd/systemd-udevd --daemon &&
		udevadm trigger --action=add && udevadm settle --timeout=300'
	is "$(mode vm /dev/vmclock0)" 444 "mode of vmclock0"
}

@test "udev: services can wait for the device" {
	boot vm hypervisor
	run -0 vm_run vm 'udevadm info --query=property /dev/vmgenctr'
	[[ $output == *'TAGS=:systemd:'* && $output != *SYSTEMD_WANTS* ]]
}

@test "udev: the hook runs once for each restore, in each clone, with the generation" {
	for mode in hypervisor software; do
		boot parent $mode
		hook parent
		vm_run parent 'genstat read > /dev/null'
		vm_save parent "$BATS_TEST_TMPDIR/hooked"
		for clone in a b; do
			vm_restore $clone "$BATS_TEST_TMPDIR/hooked"
			is "$(changes $clone)" 'change /dev/vmgenctr 2' "changes of $clone"
		done
		vm_save a "$BATS_TEST_TMPDIR/again"
		vm_restore c "$BATS_TEST_TMPDIR/again"
		vm_run c 'until test $(wc -l < /run/changes) -ge 2; do usleep 10000; done'
		is "$(changes c)" $'change /dev/vmgenctr 2\nchange /dev/vmgenctr 3' "changes of the clone of a clone"
		vm_check_logs
		vm_stop_all
		rm -r "${VM_ROOT:?}"/{parent,a,b,c}
	done
}

@test "udev: without a hook, or one that nobody may run, a change is no error" {
	boot parent hypervisor
	vm_save parent "$BATS_TEST_TMPDIR/hookless"
	vm_restore a "$BATS_TEST_TMPDIR/hookless"
	vm_run a 'genstat read > /dev/null; udevadm settle --timeout=300'
	hook a
	vm_run a 'chmod 644 /etc/vmgen/changed'
	vm_save a "$BATS_TEST_TMPDIR/unable"
	vm_restore b "$BATS_TEST_TMPDIR/unable"
	genstat b read
	is "${G[read.generation]}" 3 "generation"
	vm_run b 'udevadm settle --timeout=300; test ! -e /run/changes'
	vm_run b 'chmod 755 /etc/vmgen/changed'
	vm_save b "$BATS_TEST_TMPDIR/able"
	vm_restore c "$BATS_TEST_TMPDIR/able"
	is "$(changes c)" 'change /dev/vmgenctr 4' "changes when it may be run"
}
