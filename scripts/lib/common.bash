# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# What every script needs: messages, the cache, locks, long steps with progress.
# Results go to standard output, everything said to a person to standard error.

# shellcheck disable=SC2034 # used elsewhere
VMGEN_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)
# Sorting, ranges and the messages that are matched must not depend on the user.
export LC_ALL=C

# Exit statuses shared by all scripts; --help of each names those it uses.
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly EXIT_FAILED=1 EXIT_USAGE=2 EXIT_UNAVAILABLE=4

say() {
	printf 'vmgen: %s\n' "$*" >&2
}

die() {
	say "error: $1"
	shift
	[[ $# -eq 0 ]] || printf '       %s\n' "$@" >&2
	exit "$EXIT_FAILED"
}

usage_error() {
	say "$1 (see $(basename -- "$0") --help)"
	exit "$EXIT_USAGE"
}

# The comment block at the top of a script is its manual.
show_help() {
	awk 'NR > 2 && !/^#/ { exit } NR > 2 { sub(/^# ?/, ""); print }' "$0"
	exit 0
}

need_command() {
	command -v "$1" >/dev/null ||
		die "the command '$1' is missing" "run scripts/setup to install what is needed"
}

# --- the cache ---------------------------------------------------------------

cache_init() {
	VMGEN_CACHE=${VMGEN_CACHE:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/vmgen}
	[[ $VMGEN_CACHE =~ ^/[A-Za-z0-9/._+-]+$ ]] ||
		die "the cache folder '$VMGEN_CACHE' has characters that kernel builds refuse" \
			"set VMGEN_CACHE to an absolute path of letters, digits and / . _ + -"
	mkdir -p "$VMGEN_CACHE"/{log,lock,src,store,work} 2>/dev/null ||
		die "cannot write to the cache folder $VMGEN_CACHE" \
			"set VMGEN_CACHE to a folder that you can write to"
	export VMGEN_CACHE
}

# What a killed run left in a folder.  The caller holds the folder's lock.
discard_leftovers() {
	local left
	for left in "$1"/.tmp.*; do
		[[ ! -e $left ]] || discard "$left"
	done
}

# A tree of 90000 files is not deleted at once: the name is free at once, and a
# deletion that is interrupted leaves nothing that looks whole.
discard() {
	local grave
	[[ -e $1 ]] || return 0
	grave=$(dirname -- "$1")/.tmp.gone.$$.$RANDOM
	mv -T -- "$1" "$grave"
	rm -rf -- "$grave"
}

# --- locks -------------------------------------------------------------------

LOCK_FDS=()

# Hold a lock until this process and all it started have ended, so that the
# compiler of a killed run cannot write under the feet of the next one.
lock() {
	local name=$1 what=$2 fd
	exec {fd}>>"$VMGEN_CACHE/lock/$name"
	LOCK_FDS+=("$fd")
	flock --nonblock "$fd" && return
	say "waiting for another $what to finish (lock $VMGEN_CACHE/lock/$name)"
	step_traps
	step_ticker "waiting for another $what" $$ &
	STEP_TICKER=$!
	set -m
	flock "$fd" &
	STEP_PID=$!
	set +m
	wait "$STEP_PID"
	STEP_PID=
	step_stop_ticker
}

unlock_last() {
	local fd=${LOCK_FDS[-1]}
	exec {fd}>&-
	unset 'LOCK_FDS[-1]'
}

drop_inherited_locks() {
	local fd
	for fd in "${LOCK_FDS[@]}"; do
		exec {fd}>&-
	done
}

# --- long steps --------------------------------------------------------------

STEP_PID=
STEP_RC=0
STEP_TICKER=

elapsed() {
	printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# Report progress until killed: in place on a terminal, a line now and then
# elsewhere.  Waits in a builtin, because a 'sleep' left behind would keep the
# pipe of `make test | tee` open.
step_ticker() {
	local text=$1 start=$SECONDS parent=$2 every=30 never
	drop_inherited_locks
	trap - EXIT INT TERM HUP
	[[ -t 2 ]] && every=1
	exec {never}<> <(:)
	while kill -0 "$parent" 2>/dev/null; do
		read -rt "$every" -u "$never" || :
		if [[ -t 2 ]]; then
			printf '\r\033[Kvmgen: %s ... %s' "$text" "$(elapsed $((SECONDS - start)))" >&2
		else
			say "$text ... $(elapsed $((SECONDS - start)))"
		fi
	done
}

step_stop_ticker() {
	[[ -n $STEP_TICKER ]] || return 0
	kill "$STEP_TICKER" 2>/dev/null || :
	wait "$STEP_TICKER" 2>/dev/null || :
	STEP_TICKER=
	[[ ! -t 2 ]] || printf '\r\033[K' >&2
}

# Called for every signal that ends a script: take the running step down too.  The
# signal may have gone to the ticker as well, and a child that ends in the moment in
# which bash leaves its wait for a trap can be lost to it, so nobody waits for that one.
step_interrupted() {
	trap '' INT TERM HUP
	[[ -z $STEP_TICKER ]] || kill "$STEP_TICKER" 2>/dev/null || :
	[[ ! -t 2 ]] || printf '\r\033[K' >&2
	if [[ -n $STEP_PID ]]; then
		kill -TERM -- "-$STEP_PID" 2>/dev/null || :
		wait "$STEP_PID" 2>/dev/null || :
	fi
	say "interrupted; run the same command again to continue"
	# What is to be done at the end is done, by bash, before the signal ends it.
	STEP_RC=129
	trap - "$1"
	kill -"$1" $$
}

step_traps() {
	local signal
	for signal in INT TERM HUP; do
		# shellcheck disable=SC2064 # the name of the signal is needed now
		trap "step_interrupted $signal" "$signal"
	done
}

step_log() {
	local name=${1//[^A-Za-z0-9.]/-}
	find "$VMGEN_CACHE/log" -type f -mtime +7 -delete 2>/dev/null || :
	printf '%s/log/%s-%s-%s.log' "$VMGEN_CACHE" "$(date +%Y%m%d-%H%M%S)" "$$" "${name:0:60}"
}

# The job gets a process group of its own (set -m), so that a signal ends all of
# it, and its own shell, so that 'set -e' holds in functions.
step_start() {
	local log=$1
	shift
	set -m
	if [[ ${V:-0} = 1 ]]; then
		(trap - INT TERM HUP; "$@") </dev/null > >(tee -- "$log" >&2) 2>&1 &
	else
		(trap - INT TERM HUP; "$@") </dev/null >"$log" 2>&1 &
	fi
	STEP_PID=$!
	set +m
}

# step_try TEXT COMMAND...: run a long command quietly (V=1: loudly) with its
# output in a log, and say how long it took or show the end of the log.  Leaves the
# command's exit status in STEP_RC and the log's path in STEP_LOG.
#
# Neither this nor a function that calls it may be part of a condition (if, ||, &&):
# bash would ignore 'set -e' inside COMMAND, and half a job would pass for a whole one.
step_try() {
	local text=$1 start=$SECONDS
	shift
	[[ $- = *e* ]] || die "internal error: a step without set -e: $text"
	STEP_RC=0
	STEP_LOG=$(step_log "$text")
	say "$text"
	step_traps
	step_start "$STEP_LOG" "$@"
	step_ticker "$text" $$ &
	STEP_TICKER=$!
	wait "$STEP_PID" || STEP_RC=$?
	STEP_PID=
	step_stop_ticker
	if [[ $STEP_RC -eq 0 ]]; then
		say "$text: done in $(elapsed $((SECONDS - start)))"
		return
	fi
	say "$text: failed after $(elapsed $((SECONDS - start))); the end of $STEP_LOG:"
	tail -n 30 -- "$STEP_LOG" | sed 's/^/    /' >&2
}

# step TEXT COMMAND...: the same, and a failure ends the script.  What a person can
# do about it is said in HINTS.
HINTS=()
step() {
	step_try "$@"
	[[ $STEP_RC -eq 0 ]] || die "$1: failed" "${HINTS[@]}"
}
