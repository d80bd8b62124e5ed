# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# `vmgen watch` writes a line for each change, when it happens.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh
need jq

# Lines arrive while it runs, in a file.
vmgen_start watch --initial --count 3 > "$scratch/lines" 2> "$scratch/errors"
pid=$!
until_true lines 1 "$scratch/lines"
has "$(sed -n 1p "$scratch/lines")" '^1 [0-9a-f]\{32\}$'
counter bump
until_true lines 2 "$scratch/lines"
has "$(sed -n 2p "$scratch/lines")" '^2 '
counter set 40
until_true lines 3 "$scratch/lines"
has "$(sed -n 3p "$scratch/lines")" '^40 '

# A counter that goes is not the end of it.
counter fault "$REMOVE"
until_true grep -q 'the counter has gone' "$scratch/errors"
kill -0 $pid
counter fault "$RESTORE"
counter bump
wait $pid || die "exit status $?"
until_true lines 4 "$scratch/lines"
has "$(sed -n 4p "$scratch/lines")" '^4[0-9] '
[ "$(wc -l < "$scratch/lines")" = 4 ] || die "more lines than changes"

vmgen_start watch --initial --json --count 1 > "$scratch/json"
pid=$!
until_true lines 1 "$scratch/json"
counter set 50
wait $pid || die "exit status $?"
[ "$(jq -r .generation "$scratch/json" | tail -n 1)" = 50 ] || die "JSON: $(cat "$scratch/json")"
[ "$(jq -c . "$scratch/json" | wc -l)" = 2 ] || die "not one object on a line"
