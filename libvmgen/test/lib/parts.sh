# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# For the tests that try the same with several tools, each of which may be missing.  What
# is not tried is said as TAP, which test/run passes on; if nothing is left to try, the
# whole test is a skip.
parts=0

skip_part() {
	echo "ok - $1 # SKIP $2"
}

# here TOOL: is it?  Else its part is skipped.
here() {
	if command -v "$1" > /dev/null; then
		parts=$((parts + 1))
	else
		skip_part "$1" "no $1 here"
		return 1
	fi
}

# some_part TOOLS: there was something to try
some_part() {
	[ $parts -gt 0 ] || { echo "none of these is here: $*"; exit 77; }
}
