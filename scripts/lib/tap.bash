# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# Writing TAP: one line per check, what it complained about above it as comments,
# the plan at the end.

TAP_COUNT=0
TAP_FAILED=0

tap_ok() {
	printf 'ok %d - %s\n' "$((++TAP_COUNT))" "$1"
}

# tap_not_ok TEXT [COMPLAINTS]
tap_not_ok() {
	# shellcheck disable=SC2001 # every line, not the first
	[[ -z ${2:-} ]] || sed 's/^/# /' <<<"$2"
	printf 'not ok %d - %s\n' "$((++TAP_COUNT))" "$1"
	TAP_FAILED=$((TAP_FAILED + 1))
}

tap_skip() {
	printf 'ok %d - %s # SKIP %s\n' "$((++TAP_COUNT))" "$1" "$2"
}

# tap_check TEXT COMMAND...: passes when the command succeeds and has nothing to
# say.  Like step, it must not be part of a condition.
tap_check() {
	local text=$1 said rc
	shift
	[[ $- = *e* ]] || die "internal error: a check without set -e: $text"
	set +e
	said=$(set -e; "$@" 2>&1)
	rc=$?
	set -e
	if [[ $rc -eq 0 && -z $said ]]; then
		tap_ok "$text"
	else
		tap_not_ok "$text" "${said:-exit status $rc}"
	fi
}

# The plan comes last, so that a script that ends early has none and fails.
tap_done() {
	printf '1..%d\n' "$TAP_COUNT"
	[[ $TAP_FAILED -eq 0 && $TAP_COUNT -gt 0 ]]
}
