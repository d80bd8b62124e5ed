# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# Finished builds: folders that appear whole, by a rename, and never change.  The
# name ends in a hash of all that went into the build.

# store_key LINE... FILE...: the hash of what is given.
store_key() {
	local word
	for word; do
		if [[ -f $word ]]; then
			sha256sum <"$word"
		else
			echo "$word"
		fi
	done | sha256sum | cut -c1-16
}

# store_find ENTRY: print the path of a finished build and note that it is in use.
store_find() {
	[[ -d $VMGEN_CACHE/store/$1 ]] || return 1
	touch -- "$VMGEN_CACHE/store/$1"
	echo "$VMGEN_CACHE/store/$1"
}

store_scratch() {
	mktemp -d "$VMGEN_CACHE/store/.tmp.XXXXXX"
}

# store_add SCRATCH ENTRY: publish.  Whoever comes second has built the same.
store_add() {
	chmod 755 "$1"
	mv -T -- "$1" "$VMGEN_CACHE/store/$2" 2>/dev/null || rm -rf -- "$1"
}

# Keep what was asked for within a day, which nobody's run outlives, and the four
# newest of each sort; the rest goes.
store_prune() {
	local entry sort
	lock store "clean-up of the cache"
	for entry in "$VMGEN_CACHE"/store/.tmp.*; do
		[[ ! -e $entry || -n $(find "$entry" -maxdepth 0 -mtime -1) ]] || rm -rf -- "$entry"
	done
	find "$VMGEN_CACHE/store" -mindepth 1 -maxdepth 1 -name '*-*' -printf '%f\n' |
		sed 's/-[0-9a-f]*$//' | sort -u | while read -r sort; do
		find "$VMGEN_CACHE/store" -mindepth 1 -maxdepth 1 -printf '%T@ %f\n' |
			sort -rn | awk -v sort="$sort" '
				{ kind = $2; sub(/-[0-9a-f]*$/, "", kind) }
				kind == sort && ++n > 4 { print $2 }'
	done | while read -r entry; do
		[[ -n $(find "$VMGEN_CACHE/store/$entry" -maxdepth 0 -mtime -1) ]] ||
			discard "$VMGEN_CACHE/store/$entry"
	done
	unlock_last
}
