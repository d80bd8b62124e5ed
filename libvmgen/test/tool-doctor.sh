# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh disable=SC2016 # what jq expands
# `vmgen doctor` finds what is unprotected, and its JSON holds whatever processes are
# called.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh
need jq
need python3
LD_PRELOAD=$BUILD/libvmgen.so python3 -c '' ||
	{ echo "python3 loads no library for the C library of this build"; exit 77; }

# json FILTER: true of what is printed as JSON
json() {
	jq -e "$1" "$scratch/out" > /dev/null || die "not true of $out: $1"
}

verdict() {
	jq -r ".checks[] | select(.check == \"$1\") | .verdict" "$scratch/out"
}

# python COMM-AS-ESCAPED-BYTES: an interpreter that waits, in the background
python() {
	rm -f "$scratch/named"
	python3 -c "
import sys, pathlib
open('/proc/self/comm', 'wb').write(b'$1')
pathlib.Path(sys.argv[1]).touch()
sys.stdin.read()" "$scratch/named" < "$scratch/hold" &
	until_true test -e "$scratch/named"
}

mkfifo "$scratch/hold"
exec 9<> "$scratch/hold"
python 'q"\\ \x01\xc3\xa9\xff'
odd=$!
LD_PRELOAD=$BUILD/libvmgen.so python guarded
guarded=$!

status 1 vmgen doctor --json
# jq overlooks what is no UTF-8.
python3 -c 'import json, sys; json.load(open(sys.argv[1], encoding="utf-8"))' "$scratch/out"
json '.problems == ([.checks[] | select(.verdict == "problem")] | length)'
json 'all(.checks[]; .verdict as $v | ["ok", "note", "problem"] | index($v))'
json 'all(.checks[] | select(.verdict == "problem"); .advice | length > 0)'
json 'all(.checks[]; .complete | type == "boolean")'
json '.incomplete == ([.checks[] | select(.complete | not)] | length)'
json 'any(.checks[]; .check == "processes" and (.advice | contains("libvmgen")))'
for check in counter mode readiness fork; do
	[ "$(verdict $check)" = ok ] || die "$check: $(verdict $check)"
done
[ "$(verdict processes)" = problem ] || die "processes: $(verdict processes)"
json "any(.checks[].processes[]?; .pid == $odd and (.has | index(\"python\")))"
json "any(.checks[].processes[]?; .pid == $odd and .command == \"q\\\"\\\\ \\u0001é\\ufffd\")"
json "all(.checks[].processes[]?; .pid != $guarded)"
status 1 vmgen doctor
has "$out" '^ok  *counter'
has "$out" '^problem  *processes'
has "$out" "  $odd q\""
has "$out" '^problems: [1-9]'
kill "$odd" "$guarded"
wait || :

while read -r fault name; do
	counter fault "$fault"
	status 1 vmgen doctor --json
	json ".checks[0] | .check == \"counter\" and .verdict == \"problem\" and (.found | contains(\"$name\"))"
	counter fault "$RESTORE"
done << EOF
$DENY DENIED
$GARBAGE BROKEN
EOF

# Without a counter a guard has nothing to go by: that is what to see to.
counter fault "$REMOVE"
python unguarded
status 1 vmgen doctor --json
json 'any(.checks[]; .check == "processes" and .verdict == "problem" and (.advice | contains("counter first")))'
json 'all(.checks[]; .advice // "" | contains("with libvmgen") | not)'
counter fault "$RESTORE"
