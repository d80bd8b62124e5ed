# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# The names of tests that were not run, one a line, as they would be reported.

# remember_tests UNIT NAMES: of a unit that came to its end
remember_tests() {
	local file
	file=$VMGEN_CACHE/work/tests/$(unit_file "$1")
	mkdir -p "${file%/*}"
	[[ ! -e $2 ]] || cp -- "$2" "$file"
}

unit_file() {
	echo "${1//[^A-Za-z0-9.]/-}"
}

# tests_of UNIT COMMAND...: from the sources, where they can be read there; else what the
# unit had the last time, or as many as scripts/lib/counts says.
tests_of() {
	local unit=$1 remembered
	remembered=$VMGEN_CACHE/work/tests/$(unit_file "$1")
	shift
	case $1 in
	*/run-bats | bats) bats_tests "$@" ;;
	*/run-mutants) "$1" --list ;;
	printf) sed -n 's/ *#.*//; s/^\(not \)\?ok 1 - //p' <<<"$3" ;;
	*)
		if [[ -s $remembered ]]; then
			cat -- "$remembered"
		else
			counted_tests "$unit"
		fi
		;;
	esac
}

bats_tests() {
	local word before='' filter=. files=()
	for word; do
		[[ ! -d $word ]] || files+=("$word"/*.bats)
		[[ $word != *.bats ]] || files+=("$word")
		[[ $before != --filter ]] || filter=$word
		before=$word
	done
	sed -n 's/^@test "\(.*\)" {$/\1/p' -- "${files[@]}" | sed 's/\\\(.\)/\1/g' | grep -E -- "$filter" || :
}

# The file has a number and a pattern for the name of the unit in each line.
counted_tests() {
	local count=1 number pattern
	while read -r number pattern; do
		# shellcheck disable=SC2053 # a pattern
		[[ $1 != $pattern ]] || count=$number
	done < <(base_table "$VMGEN_ROOT/scripts/lib/counts")
	for ((number = 1; number <= count; number++)); do
		echo "$1: test $number of $count or more"
	done
}

# tests_but NAMES: reads names, and prints those that were not reported
tests_but() {
	local names=/dev/null
	[[ ! -e $1 ]] || names=$1
	awk 'reported { n++; seen[$0]++; next }
		/: test [0-9]+ of [0-9]+ or more$/ { if (++counted > n) print; next }
		seen[$0]-- <= 0' reported=1 "$names" reported=0 -
}
