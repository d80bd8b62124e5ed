# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh disable=SC2034
# For the tests of the vmgen command: a counter of their own, and how to ask for facts.
# The test is started again below "counter run".

if [ -z "${VMGEN_SCRATCH:-}" ]; then
	VMGEN_SCRATCH=$(mktemp -d)
	export VMGEN_SCRATCH
	trap 'rm -rf "$VMGEN_SCRATCH"' EXIT
	"$BUILD/tools/test/counter" run ${COUNTER:+"$COUNTER"} -- sh "$0"
	exit
fi
scratch=$VMGEN_SCRATCH

# A test that fails leaves nobody behind who holds on to its output.
end_jobs() {
	jobs -p > "$scratch/jobs"
	# shellcheck disable=SC2046 # one word each
	[ ! -s "$scratch/jobs" ] || kill $(cat "$scratch/jobs") 2> /dev/null || :
}
trap end_jobs EXIT

# A sanitizer's library wants to be the first, and can do without.
export ASAN_OPTIONS="verify_asan_link_order=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

vmgen() {
	LD_LIBRARY_PATH=$BUILD LD_PRELOAD=$BUILD/tools/test/preload.so "$BUILD/tools/vmgen" "$@"
}

# The same in the background, as a process and not a shell around it.
vmgen_start() {
	LD_LIBRARY_PATH=$BUILD LD_PRELOAD=$BUILD/tools/test/preload.so "$BUILD/tools/vmgen" "$@" &
}

counter() {
	"$BUILD/tools/test/counter" "$@"
}

RESTORE=0 REMOVE=3 DENY=4 GARBAGE=5

die() {
	echo "$*"
	exit 1
}

# status WANT COMMAND...: its exit status; what it prints is in $out and $err
status() {
	want=$1; shift
	got=0
	"$@" > "$scratch/out" 2> "$scratch/err" || got=$?
	out=$(cat "$scratch/out") err=$(cat "$scratch/err")
	[ "$got" = "$want" ] || die "$*: exit status $got, not $want: $out $err"
}

# has TEXT PATTERN
has() {
	printf '%s\n' "$1" | grep -q -e "$2" || die "'$2' is not in '$1'"
}

# until_true COMMAND...: waits for a fact, and the runner's timeout is the limit
until_true() {
	until "$@"; do
		sleep 0.05
	done
}

# is_line N FILE WANT
is_line() {
	got=$(sed -n "$1p" "$2")
	[ "$got" = "$3" ] || die "line $1 of $2 is '$got', not '$3'"
}

# lines N FILE: it has so many by now
lines() {
	[ "$(wc -l < "$2")" -ge "$1" ]
}

need() {
	command -v "$1" > /dev/null || { echo "no $1 here"; exit 77; }
}
