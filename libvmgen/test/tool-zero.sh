# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# `vmgen` takes 0 for the number that it is where counters begin with it.
set -eu
COUNTER=sysgenid
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh
need jq

counter set 0
status 0 vmgen status --json
jq -e '.status == "ACTIVE" and .generation == "0"' "$scratch/out" > /dev/null || die "$out"
status 0 vmgen wait --generation 1
[ "$out" = 0 ] || die "vmgen wait says '$out'"
status 0 vmgen wait --generation 1 --json
jq -e '.status == "ACTIVE" and .backend == "test" and .generation == "0"' "$scratch/out" \
	> /dev/null || die "$out"
status 0 vmgen watch --initial --count 0
[ "$out" = '0 -' ] || die "vmgen watch says '$out'"
# shellcheck disable=SC2016 # expanded by that shell
status 0 vmgen exec --initial --count 1 -- sh -c 'echo "<${VMGEN_GENERATION-none}>"'
[ "$out" = '<0>' ] || die "vmgen exec says '$out'"
