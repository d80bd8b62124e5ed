# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# Holding back the VMM's notification.  To be sourced after vm.bash.
#
#   mask_notification NAME [GENERATION]   from now on; that of GENERATION (2, of a clone
#                                         of a new guest) is let through first
#   unmask_notification NAME              no longer

# Without it only who looks can know.  QEMU raises general purpose event 5.
mask_notification() {
	vm_run "$1" "until genstat status | grep -q status.generation=${2:-2}; do usleep 1000; done
		echo mask > /sys/firmware/acpi/interrupts/gpe05 &&
		grep -qw masked /sys/firmware/acpi/interrupts/gpe05"
}

unmask_notification() {
	vm_run "$1" 'echo unmask > /sys/firmware/acpi/interrupts/gpe05 &&
		grep -qw unmasked /sys/firmware/acpi/interrupts/gpe05'
}
