# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# The scripts themselves under test, in a copy of their own with a cache of their own.

bats_require_minimum_version 1.5.0

# A cache may not have every character that a temporary folder's name may have, and a
# user who is not root has to get there.
make_copy() {
	COPY=$(mktemp -d /tmp/vmgen-scripts.XXXXXX)
	chmod 755 "$COPY"
	cp -r "$BATS_TEST_DIRNAME/../../scripts" "$COPY"
	export VMGEN_CACHE=$COPY/cache
}

drop_copy() {
	rm -rf -- "$COPY"
}

# has TEXT: somewhere in $output
has() {
	# shellcheck disable=SC2154 # set by run
	[[ $output == *"$1"* ]] || {
		echo "missing: $1"
		echo "$output"
		return 1
	}
}

# Wait for a fact, and fail when it does not come.
eventually() {
	local tries

	for ((tries = 0; tries < 600; tries++)); do
		! "$@" || return 0
		sleep 0.1
	done
	echo "never: $*"
	return 1
}
