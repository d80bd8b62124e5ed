# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# `vmgen` tells a counter that the kernel keeps from one of the hypervisor.
set -eu
COUNTER=software
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh
need jq

status 0 vmgen status --json
jq -e '.hypervisor == false' "$scratch/out" > /dev/null || die "$out"
status 0 vmgen status
has "$out" '^written by: *the kernel'
status 1 vmgen doctor --json
jq -e 'any(.checks[]; .check == "mode" and .verdict == "problem")' "$scratch/out" > /dev/null || die "$out"
