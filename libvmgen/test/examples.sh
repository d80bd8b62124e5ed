# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The examples as somebody runs them, with whatever counter this machine has or has
# not.  What they do when it changes is tested by the programs example-*.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
examples=$BUILD/examples
$MAKE -s --no-print-directory BUILD="$BUILD" UAPI="$UAPI" CC="$CC" \
	"$examples/guarded-prng" "$examples/uuid" "$examples/tls-ticket-key" \
	"$examples/idempotency-token"

# distinct FILE N: N different lines, each as the pattern says
distinct() {
	[ "$(sort -u "$1" | grep -cE "^$3\$")" = "$2" ] || { cat "$1"; exit 1; }
}

for _ in 1 2 3; do "$examples/guarded-prng"; done > "$scratch/numbers"
distinct "$scratch/numbers" 3 '[0-9]+'

"$examples/uuid" 100 > "$scratch/uuids"
seq 100 | "$examples/uuid" >> "$scratch/uuids"
distinct "$scratch/uuids" 200 '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}'

for _ in 1 2; do "$examples/idempotency-token" 'pay 1' 'pay 1'; done > "$scratch/orders"
distinct "$scratch/orders" 4 '[0-9a-f]{32} pay 1'

# Two pipes make a conversation, since a name must be known to be asked for.
mkfifo "$scratch/in" "$scratch/out"
"$examples/tls-ticket-key" < "$scratch/in" > "$scratch/out" &
exec 3> "$scratch/in" 4< "$scratch/out"
ask() {
	echo "$1" >&3
	read -r answer <&4
	echo "$answer" | grep -qE "^$2\$" || { echo "$1: $answer"; exit 1; }
}
ask seal '[0-9a-f]{32}'
first=$answer
ask "open $first" yes
ask "open 00000000000000000000000000000000" no
ask rotate rotated
ask seal '[0-9a-f]{32}'
[ "$answer" != "$first" ]
ask "open $first" yes
ask rotate rotated
ask "open $first" no
exec 3>&-
wait $!
