# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# Memory that the kernel of a guest has lost.  To be sourced after vm.bash.
#
#   leaks_watched   whether the kernel is one that looks for it
#   leaks NAME      print what it finds, from the boot of the first ancestor on

leaks_watched() {
	grep -qs '^CONFIG_DEBUG_KMEMLEAK=y' "$VMGEN_KERNEL/config"
}

# kmemleak reports what nobody refers to and is older than five seconds.
leaks() {
	vm_run "$1" 'cd /sys/kernel/debug && echo scan > kmemleak && sleep 6 &&
		echo scan > kmemleak && cat kmemleak'
}
