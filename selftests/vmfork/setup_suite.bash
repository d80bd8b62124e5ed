# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# What all tests of vmfork need: the kernel "cloud", QEMU, the command, and programs for
# the guest and the host.

setup_suite() {
	set -e
	# shellcheck source=selftests/vmfork/machine.bash
	. "$(dirname "${BASH_SOURCE[0]}")/machine.bash"
	machine_prepare
}
