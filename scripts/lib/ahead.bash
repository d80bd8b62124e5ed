# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# Builds beside other work: tests and the last steps of a build keep one processor only.
# Whoever needs one finds it in the store or waits for its lock; a failure shows then.

AHEAD=

# ahead_start BUILD...: one after the other, each the arguments of scripts/build in one
# word.  In a process group of its own, which can be told to end: the caller has
# ahead_end in its trap for EXIT.
ahead_start() {
	# Bash that is interrupted while it waits for "$(command)" ends without that trap.
	trap 'exit 130' INT
	set -m
	ahead_build "$@" &
	AHEAD=$!
	set +m
}

ahead_build() {
	local build
	trap - EXIT INT
	# When the build has ended, which is told to, too.
	trap 'exit 143' TERM
	exec </dev/null >/dev/null 2>&1
	renice -n 10 "$BASHPID"
	for build; do
		# shellcheck disable=SC2086 # a list of words
		"$VMGEN_ROOT/scripts/build" $build || :
	done
}

# Waits, too: "wait -n" of the caller shall not get to see it.
ahead_end() {
	[[ $AHEAD ]] || return 0
	kill -TERM -- "-$AHEAD" 2>/dev/null || :
	wait "$AHEAD" 2>/dev/null || :
	AHEAD=
}
