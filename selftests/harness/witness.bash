# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# What the witness in a guest (guest/witness.c) tells the host.  To be sourced after
# vm.bash.  Listen before the guest runs: what it says to nobody is lost.

# Global also for bats, which sources in a function.
declare -gA WITNESS_TO=() WITNESS_FROM=()

witness_start() {
	vm_run "$1" 'witness > /dev/console 2>&1 < /dev/null &'
}

witness_listen() {
	local VM_TO VM_FROM

	vm_link_port "$1" || return
	WITNESS_TO[$1]=$VM_TO WITNESS_FROM[$1]=$VM_FROM
}

witness_forget() {
	local to=${WITNESS_TO[$1]} from=${WITNESS_FROM[$1]}

	exec {to}>&- {from}<&-
	unset "WITNESS_TO[$1]" "WITNESS_FROM[$1]"
}

# A restore tears lines, and sews them together.
witness_is_whole() {
	local text=${1% *} sum=0 c i

	for ((i = 0; i < ${#text}; i++)); do
		printf -v c %d "'${text:i:1}"
		sum=$((sum + c))
	done
	[[ ${1##* } == "$sum" ]]
}

# witness_hear NAME GENERATION SINCE: sets REPORT to what it says of that generation,
# without the sum but with the milliseconds since then
witness_hear() {
	local line

	while read -r -t "$VM_TIMEOUT" -u "${WITNESS_FROM[$1]}" line; do
		[[ $line == "@$2 "* ]] || continue
		line=${line#@}
		witness_is_whole "$line" || continue
		# shellcheck disable=SC2034 # for the caller
		REPORT="${line% *} $(((${EPOCHREALTIME//[!0-9]/} - ${3//[!0-9]/}) / 1000))"
		return
	done
	vm_error "$1" "the guest has not reported generation $2"
	return 1
}
