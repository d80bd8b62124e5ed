#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The mutants of the library change what is there.  All of them take an hour to be tried,
# so one that was left behind would be noticed late; "patches check" does the same for
# those of the kernel and of QEMU.

ROOT=$BATS_TEST_DIRNAME/../..

@test "mutants of the library apply" {
	local patch name left=

	for patch in "$ROOT"/selftests/mutants/{libvmgen,openssl}/*.patch; do
		name=${patch#"$ROOT/selftests/mutants/"}
		patch --dry-run --force --silent -p1 -d "$ROOT/libvmgen" < "$patch" ||
			left+=" ${name%.patch}"
	done
	echo "they do not apply:$left"
	[[ -z $left ]]
}
