# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# `vmgen status` says what was just checked, for people, as JSON and as exit status.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh
need jq

# json FILTER: true of what is printed as JSON
json() {
	jq -e "$1" "$scratch/out" > /dev/null || die "not true of $out: $1"
}

status 0 vmgen status
has "$out" '^status: *ACTIVE'
has "$out" '^generation: *1$'
has "$out" '^instance id: *[0-9a-f]\{32\}$'
has "$out" '^written by: *the hypervisor'
has "$out" '^CRNG: *reseeded'

counter bump
status 0 vmgen status --json
json '.status == "ACTIVE" and .backend == "test" and .generation == "2"'
json '(.instance_id | test("^[0-9a-f]{32}$")) and .hypervisor and .crng_reseeded'
json '.fork | type == "boolean"'

# All 64 bits, which a number of JSON would not keep.
counter set 18446744073709551614
status 0 vmgen status -j
json '.generation == "18446744073709551614"'

status 0 vmgen status --quiet
[ -z "$out$err" ] || die "--quiet is not: $out$err"

while read -r fault want name; do
	counter fault "$fault"
	status "$want" vmgen status --json
	json ".status == \"$name\" and (.error | length > 0) and .generation == null"
	status "$want" vmgen status
	has "$out" "^status: *$name"
	has "$out" 'vmgen doctor'
	status "$want" vmgen status -q
	counter fault "$RESTORE"
done << EOF
$REMOVE 4 ABSENT
$DENY 5 DENIED
$GARBAGE 6 BROKEN
EOF
