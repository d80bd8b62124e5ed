# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# A time by which all is over: VMGEN_TEST_MINUTES after the script began.

limit_seconds_left() {
	echo $((VMGEN_TEST_MINUTES * 60 - SECONDS))
}

limit_is_over() {
	[[ -n ${VMGEN_TEST_MINUTES:-} ]] && (($(limit_seconds_left) <= 0))
}

# limited FILE COMMAND...: run it, and stop it when the time is over; then the FILE is
# made before the output ends.  In a session of its own, of which nothing is left behind:
# machines and compilers are in process groups of their own.  Not for a shell with job
# control: what it starts cannot begin a session without another fork.
limited() {
	local file=$1 rc=0 session
	shift
	if [[ -z ${VMGEN_TEST_MINUTES:-} ]]; then
		"$@"
		return
	fi
	setsid timeout --kill-after=20 "$(limit_seconds_left)" "$@" &
	session=$!
	echo "$session" >"$file.session"
	wait "$session" || rc=$?
	if [[ $rc -eq 124 || $rc -eq 137 ]] && limit_is_over; then
		: >"$file"
		pkill -KILL --session "$session" || :
	fi
	rm -f -- "$file.session"
	return "$rc"
}

# limited_end FILE...: end what runs, for a script that ends earlier
limited_end() {
	local file
	for file; do
		[[ ! -s $file.session ]] || pkill -TERM --session "$(<"$file.session")" || :
	done
}
