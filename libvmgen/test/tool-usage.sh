# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# `vmgen` explains itself, and says what was wrong and where to read on.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh

commands='status wait watch exec doctor'

status 0 vmgen --help
for command in $commands; do
	has "$out" "^  $command "
done
status 0 vmgen --version
has "$out" "^vmgen $(sed -n 's/^VERSION *:= *//p' Makefile)\$"
[ "$(vmgen -V)" = "$out" ] || die "-V is not --version"

for command in $commands; do
	status 0 vmgen "$command" --help
	has "$out" "^Usage: vmgen $command"
	has "$out" '^Exit status: 0'
	[ "$(vmgen "$command" -h)" = "$out" ] || die "$command: -h is not --help"
	# What --help lists is what the manual page explains.
	for option in $(printf '%s\n' "$out" | sed -n 's/^  -[a-z], --\([a-z-]*\).*/\1/p'); do
		sed 's/\\-/-/g' man/vmgen.1 | grep -q "Fl -$option" || die "vmgen(1) has no --$option"
	done
done

# wrong WHAT ARGUMENT...: exit status 2, a word on WHAT, and where to read on
wrong() {
	what=$1; shift
	status 2 vmgen "$@"
	[ -z "$out" ] || die "an error on standard output: $out"
	has "$err" "$what"
	has "$err" '--help'
}

status 2 vmgen
has "$err" '^Usage: vmgen'
wrong 'no command .sit' sit
for command in $commands; do
	wrong "vmgen $command: .*sideways" "$command" --sideways
done
wrong "what is 'now'" status now
wrong "what is 'now'" doctor --json now
wrong '--timeout wants seconds' wait --timeout soon
wrong '--timeout wants seconds' wait --timeout -1
wrong '--timeout wants seconds' wait --timeout nan
wrong "argument.*t" wait -t
wrong '--generation wants a number' wait --generation -1
wrong '--generation wants a number' wait --generation 18446744073709551616
wrong '--count wants a number' watch --count 1x
wrong 'which command' exec
wrong 'which command' exec --initial --

# Nobody is told "success" when nothing has arrived.
for arguments in --help status 'status --json' 'watch --initial --count 0' doctor; do
	# shellcheck disable=SC2086 # several words
	if vmgen $arguments > /dev/full 2> "$scratch/err"; then
		die "vmgen $arguments: success, although nothing could be written"
	fi
	has "$(cat "$scratch/err")" 'cannot write'
done
