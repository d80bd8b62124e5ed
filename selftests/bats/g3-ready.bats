#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# G3: when read() returns generation N, the kernel is ready for N.
#
# "Masked" tests keep the VMM's notification from the guest for good, from before the
# snapshot: whatever the guest learns then, it learned because it looked.

load helpers

# siblings_differ GENERATION: what two clones saw first in a program that was calling
# read() and then getrandom() in a loop when the snapshot was taken
siblings_differ() {
	local -a a b

	read -r -a a < <(samples_of a)
	read -r -a b < <(samples_of b)
	for sample in a b; do
		local -n s=$sample
		is "${s[1]}" "$1" "generation that read() returned in $sample"
		is "${s[2]}" "$1" "ready generation of the status page in $sample"
		is "${s[3]}" 1 "reseeded in $sample"
	done
	isnt "${a[4]}" "${b[4]}" "instance ids"
	isnt "${a[5]}" "${b[5]}" "random numbers after read()"
}

@test "G3: after the first read() of a clone random numbers differ from its sibling's" {
	spin_across hypervisor read 1
	siblings_differ 3
}

@test "G3: the same in software mode" {
	spin_across software read 1
	siblings_differ 3
}

@test "G3: the same without a notification" {
	MASKED=1 spin_across hypervisor read 1
	siblings_differ 3
}

@test "G3: the same in software mode without a notification" {
	MASKED=1 spin_across software read 1
	siblings_differ 3
}

# Were they different anyway, the tests above would prove nothing.  A young guest
# reseeds its CRNG once a second on its own account, which may come first in one of
# the siblings: one of three snapshots has to show it.
@test "G3: random numbers are the same in both siblings while nobody has looked" {
	local a b same=0

	vm_restore spin "$FIXTURE/software"
	mask_notification spin
	in_background spin spinning "snapspin random 1"
	for point in 1 2 3; do
		vm_save spin "$BATS_TEST_TMPDIR/spin"
		a=$(samples_of "a$point" | cut -d' ' -f2)
		b=$(samples_of "b$point" | cut -d' ' -f2)
		is "${#a} ${#b}" "32 32" "lengths of the random numbers"
		[[ $a != "$b" ]] || same=$((same + 1))
		vm_qmp spin '{"execute":"cont"}' > /dev/null
	done
	at_least $same 1 "snapshots after which they were the same"
}

@test "G3: the page is ahead and the status page behind until the kernel is ready" {
	vm_restore parent "$FIXTURE/hypervisor"
	mask_notification parent
	vm_save parent "$BATS_TEST_TMPDIR/masked"
	vm_restore clone "$BATS_TEST_TMPDIR/masked"

	genstat clone page status
	is "${G[page.generation]}" 3 "page"
	is "${G[status.generation]}" 2 "ready generation before anybody looked"
	local before=${G[status.instance]}

	genstat clone read status
	is "${G[read.generation]}" 3 "read()"
	is "${G[status.generation]}" 3 "ready generation afterwards"
	isnt "${G[status.instance]}" "$before" "instance id"
	is "${G[status.instance]}" "${G[read.instance]}" "instance id of the status page"
}

# Nobody is there to be notified, and nobody has /dev/vmgenctr to read from.
@test "G3: a restore while the driver was unbound is dealt with when it is bound" {
	local driver=/sys/bus/platform/drivers/vmgenid before

	for mode in hypervisor software; do
		vm_restore "parent-$mode" "$FIXTURE/$mode"
		genstat "parent-$mode" read
		before=${G[read.instance]}
		is "${G[read.generation]}" 2 "generation before"
		vm_run "parent-$mode" "cd $driver && ls | grep -m1 : > /run/device &&
			cat /run/device > unbind && ! test -e /dev/vmgenctr"
		vm_save "parent-$mode" "$BATS_TEST_TMPDIR/unbound"
		vm_restore "$mode" "$BATS_TEST_TMPDIR/unbound"
		vm_run "$mode" "dmesg -c > /dev/null; cat /run/device > $driver/bind"
		is "$(vm_run "$mode" 'dmesg | grep -c "reseeded due to virtual machine fork"')" 1 "reseeds"
		genstat "$mode" status read
		is "${G[status.generation]}" 3 "ready generation"
		is "${G[read.generation]}" 3 "read()"
		isnt "${G[read.instance]}" "$before" "instance id"
	done
}

@test "G3: the notification alone makes the kernel ready" {
	local reseeds

	vm_restore clone "$FIXTURE/hypervisor"
	vm_run clone 'until genstat status | grep -q status.generation=2; do usleep 1000; done'
	genstat clone status
	is "${G[status.reseeded]}" 1 "reseeded"
	reseeds=$(vm_run clone 'dmesg | grep -c "reseeded due to virtual machine fork"')
	at_least "$reseeds" 1 "reseeds"
}
