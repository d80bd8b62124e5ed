# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# The fixture: one saved guest per mode, up and warm.  Every test restores clones of
# it.  The token service runs in it, and the CRNG is initialized.

save_fixture() {
	local mode=$1

	vm_boot "$mode" "$mode"
	vm_run "$mode" 'token-service /run/tokens > /run/tokens.log & until grep -qs ready /run/tokens.log; do usleep 10000; done'
	vm_run "$mode" 'genstat read > /dev/null'
	vm_save "$mode" "$FIXTURE/$mode"
	vm_check_log "$mode"
	vm_stop "$mode"
}

setup_suite() {
	set -e
	# shellcheck source=selftests/harness/vm.bash
	. "$(dirname "${BASH_SOURCE[0]}")/../harness/vm.bash"
	vm_prepare
	export FIXTURE=$BATS_SUITE_TMPDIR
	vm_init
	save_fixture hypervisor
	save_fixture software
	vm_cleanup
}

teardown_suite() {
	rm -f "$FIXTURE"/{hypervisor,software}*
}
