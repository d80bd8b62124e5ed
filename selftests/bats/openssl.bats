#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
#
# OpenSSL in machines that are restored: Debian's openssl program, a TLS server and a
# program with threads, each of them in use before the snapshot.  What can be tested
# without a machine is tested with libvmgen.

load helpers

# shellcheck source=selftests/harness/openssl.bash
. "$BATS_TEST_DIRNAME/../harness/openssl.bash"

readonly CLONES='a b c'

start_all() {
	local kind

	for kind in plain guarded; do
		openssl_serve "$1" "$kind" && openssl_stream "$1" "$kind" && openssl_threads "$1" "$kind" || return
	done
}

# What each clone answers is asked once, and looked at by all tests: DIR/CLONE-KIND-WHAT.
ask_all() {
	local clone kind what

	for clone in $CLONES; do
		vm_restore "$clone" "$ANSWERS/snapshot" || return
		for kind in plain guarded; do
			for what in hello next draw; do
				"openssl_$what" "$clone" "$kind" > "$ANSWERS/$clone-$kind-$what" || return
			done
		done
		vm_check_log "$clone" && vm_stop "$clone" || return
	done
}

setup_file() {
	export ANSWERS=$BATS_FILE_TMPDIR
	openssl_prepare
	vm_init
	vm_boot warm hypervisor
	start_all warm
	vm_save warm "$ANSWERS/snapshot"
	vm_check_log warm
	vm_stop warm
	ask_all
	vm_cleanup
}

teardown_file() {
	rm -f "$ANSWERS/snapshot"*
}

# answers KIND WHAT [REGEX]: the lines of all clones that match
answers() {
	local clone

	for clone in $CLONES; do
		grep -hE "${3:-.}" "$ANSWERS/$clone-$1-$2"
	done
}

# are COUNT DIFFERENT KIND WHAT [REGEX]: so many values, so many of them different
are() {
	local lines

	lines=$(answers "${@:3}")
	is "$(grep -cE '^(.*=)?[0-9a-f]{32,64}$' <<< "$lines")" "$1" "number of values in $3 $4 ${5:-}"
	is "$(cut -d= -f2 <<< "$lines" | sort -u | wc -l)" "$2" "different values in $3 $4 ${5:-}"
}

@test "openssl: without the provider, clones of a TLS server send the same random, key share and ticket" {
	are 3 1 plain hello '^random='
	are 3 1 plain hello '^share='
	are 3 1 plain hello '^ticket='
}

@test "openssl: with the provider, clones of a TLS server send nothing twice" {
	are 3 3 guarded hello '^random='
	are 3 3 guarded hello '^share='
	are 3 3 guarded hello '^ticket='
}

@test "openssl: without the provider, clones of a running openssl rand go on with the same bytes" {
	are 3 1 plain next
}

@test "openssl: with the provider, clones of a running openssl rand go on with other bytes" {
	are 3 3 guarded next
}

@test "openssl: without the provider, both DRBGs of each of four threads are the same in all clones" {
	are 24 8 plain draw '^(public|private)'
}

@test "openssl: with the provider, both DRBGs of each of four threads differ, in and between clones" {
	are 24 24 guarded draw '^(public|private)'
}

@test "openssl: with the provider, children that are forked in clones draw what nobody else drew" {
	are 6 6 guarded draw '^child-'
	are 30 30 guarded draw
}

# In software mode the page lags behind the restore by the notification.
@test "openssl: in software mode, clones of a TLS server differ as soon as the kernel has noticed" {
	local clone

	openssl_prepare
	vm_boot vm software
	openssl_serve vm guarded
	vm_save vm "$BATS_TEST_TMPDIR/snapshot"
	vm_stop vm
	for clone in a b; do
		vm_restore "$clone" "$BATS_TEST_TMPDIR/snapshot"
		vm_run "$clone" 'until genstat status | grep -q status.generation=2; do usleep 1000; done'
		openssl_hello "$clone" guarded > "$BATS_TEST_TMPDIR/$clone"
		vm_stop "$clone"
	done
	is "$(cat "$BATS_TEST_TMPDIR"/{a,b} | wc -l)" 6 "number of values"
	is "$(cat "$BATS_TEST_TMPDIR"/{a,b} | sort -u | wc -l)" 6 "different values"
}

@test "openssl: a configuration file is all it takes, and the kernel's readiness is what it tells" {
	openssl_prepare
	vm_boot vm hypervisor
	vm_run vm 'OPENSSL_CONF=/etc/ssl/vmgen.cnf openssl list -random-instances' > "$BATS_TEST_TMPDIR/out"
	is "$(grep -c '^  VMGEN-CTR-DRBG @ vmgen$' "$BATS_TEST_TMPDIR/out")" 3 "guarded DRBGs"
	vm_run vm 'sed "s/^require = .*/require = ready/" /etc/ssl/vmgen.cnf > /run/ready.cnf
		grep -q "^require = ready" /run/ready.cnf && OPENSSL_CONF=/run/ready.cnf openssl rand -hex 16' > "$BATS_TEST_TMPDIR/out"
	is "$(grep -cE '^[0-9a-f]{32}$' "$BATS_TEST_TMPDIR/out")" 1 "random bytes"
}

@test "openssl: without a counter, nothing is drawn where one is required, and the reason is told" {
	openssl_prepare
	vm_boot vm hypervisor
	vm_run vm 'for device in /sys/bus/platform/drivers/vmgenid/*:*; do
			echo ${device##*/} > /sys/bus/platform/drivers/vmgenid/unbind
		done
		test ! -e /dev/vmgenctr || exit
		sed "s/^require = .*/require = counter/" /etc/ssl/vmgen.cnf > /run/counter.cnf
		! OPENSSL_CONF=/run/counter.cnf openssl rand -hex 16 2>&1' > "$BATS_TEST_TMPDIR/out"
	grep -q 'no generation counter' "$BATS_TEST_TMPDIR/out"
	is "$(grep -cE '^[0-9a-f]{32}$' "$BATS_TEST_TMPDIR/out")" 0 "random bytes"
}
