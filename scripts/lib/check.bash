# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# scripts/patches check: what can be said about the series without a compiler, and
# the order of all checks.  Results are TAP.

check() {
	local base
	# shellcheck disable=SC2153 # KINDS is no misspelling
	for KIND in "${KINDS[@]}"; do
		if [[ -z $(series_patches "$KIND" "$(base_default "$KIND")") ]]; then
			tap_not_ok "$KIND: there is a series" "$(base_dir "$KIND")/patches/order is missing or empty"
			continue
		fi
		tap_check "$KIND: order names every series once" check_order
		tap_check "$KIND: every series has patches and a cover letter" check_whole
		tap_check "$KIND: every patch is signed off by its author" check_signed_off
		if [[ -n $STATIC ]]; then
			check_static
			continue
		fi
		for base in ${ONLY_BASE:-$(base_names "$KIND")}; do
			check_base "$base"
		done
	done
	tap_done
}

check_base() {
	local name="$KIND $1" rc=0 series
	base_read "$KIND" "$1"
	TREE=$("$VMGEN_ROOT/scripts/fetch" "$KIND" "$1") || rc=$?
	if [[ $rc -eq $EXIT_UNAVAILABLE ]]; then
		tap_skip "$name" "Debian's $BASE_SUITE has no $BASE_PACKAGE $BASE_NAME.* any more"
		return
	elif [[ $rc -ne 0 ]]; then
		tap_not_ok "$name: the source can be fetched"
		return
	fi
	REPO=$SCRATCH/check-$KIND-$1
	tap_check "$name: the series apply" check_applies
	for series in $(series_alone "$KIND"); do
		tap_check "$name: $series applies alone" check_alone "$series"
	done
	tap_check "$name: the plain sources are what the series make" check_plain
	tap_check "$name: files.map names every new file" check_map
	check_regenerates "$name"
	check_style "$name"
	[[ $BASE_NAME != "$(base_default "$KIND")" ]] ||
		tap_check "$name: the mutants apply on top of the series" check_mutants
	[[ -z $EACH ]] || check_each "$name"
}

check_applies() {
	series_start "$KIND" "$BASE_NAME" "$TREE" "$REPO"
	series_am "$KIND" "$BASE_NAME" "$REPO" 2>&1 | sed '/^Context reduced to/d'
}

check_alone() {
	series_start "$KIND" "$BASE_NAME" "$TREE" "$REPO-$1"
	series_am "$KIND" "$BASE_NAME" "$REPO-$1" "$1" 2>&1 | sed '/^Context reduced to/d'
}

check_order() {
	diff <(series_names "$KIND" | sort) \
		<(find "$(base_dir "$KIND")/patches" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort)
	base_table "$(base_dir "$KIND")/patches/order" | grep -vE '^[a-z][a-z0-9]*([[:space:]]+alone)?$' || :
}

check_whole() {
	local name file
	for name in $(series_names "$KIND"); do
		for file in series cover-letter; do
			file=$(base_dir "$KIND")/patches/$name/$file
			[[ -s $file ]] || echo "$file is missing or empty"
		done
	done
}

check_signed_off() {
	local patch who="$VMGEN_NAME <$VMGEN_EMAIL>" base
	for base in $(base_names "$KIND"); do
		series_patches "$KIND" "$base"
	done | sort -u | while read -r patch; do
		grep -qxF "From: $who" "$patch" || echo "$patch: not From: $who"
		grep -qxF "Signed-off-by: $who" "$patch" || echo "$patch: not Signed-off-by: $who"
	done
}

check_plain() {
	local plain path
	while read -r plain path; do
		cmp -- "$VMGEN_ROOT/$plain" "$REPO/$path" || :
	done < <(series_map "$KIND")
}

# Not those that QEMU's tests compare tables with: they are made from the tables by
# rebuild-expected-aml.sh, and there is nothing to edit in them.
check_map() {
	series_git -C "$REPO" diff --no-renames --diff-filter=A --name-only base HEAD |
		sed '/^tests\/data\/acpi\//d' | sort |
		comm -23 - <(series_map "$KIND" | awk '{ print $2 }' | sort) |
		sed 's/$/: is new in the series but not in files.map/'
}

# The patches carry the names of the blobs they change, so another version of the
# base gives other bytes.
check_regenerates() {
	local text folder range
	while read -r folder range; do
		text="$1: ${folder##*/patches/} regenerates byte for byte"
		if [[ $(base_version_used "$KIND") != "$BASE_VERSION" ]]; then
			tap_skip "$text" "$BASE_VERSION, which they were made from, is gone"
		else
			tap_check "$text" check_same_bytes "$range" "$folder"
		fi
	done < <(series_ranges "$KIND" "$BASE_NAME")
}

check_same_bytes() {
	local new=$SCRATCH/again-$KIND-$BASE_NAME-$1
	mkdir "$new"
	series_format "$REPO" "$1" "$new"
	diff -r --brief --exclude=cover-letter --exclude='*lude-*' -- "$new" "$2" || :
	diff -- <(base_table "$2/series") "$new/series" >/dev/null || echo "series lists other patches"
}

# The last one to look at the files: those that no patch of the series touches come along.
check_mutants() {
	local mutant
	for mutant in "$VMGEN_ROOT/selftests/mutants/$KIND"/*.patch; do
		series_paths <<<"$mutant" | while read -r path; do
			[[ -e $REPO/$path ]] || (cd "$TREE" && cp --parents -t "$REPO" -- "$path")
		done
		patch -d "$REPO" -p1 --dry-run --silent --force <"$mutant" || echo "$mutant"
	done
}

# --- checkpatch ------------------------------------------------------------------

# Each tree's own idea of style, on the base that the patches were written for.
check_style() {
	local folder range patch name
	while read -r folder range; do
		name=${folder##*/patches/}
		while read -r patch; do
			tap_check "$1: checkpatch: $name/$(basename -- "$patch")" "checkpatch_$KIND" "$patch" \
				"$(base_dir "$KIND")/patches/${name%%/*}/cover-letter"
		done < <(series_list "$folder")
	done < <(series_ranges "$KIND" "$BASE_NAME")
}

# "file:1: WARNING:TYPE: text" is explained when the letter has the TYPE.
checkpatch_kernel() {
	local line type
	checkpatch --strict --show-types "$1" | while read -r line; do
		type=$(sed -E 's/.*(ERROR|WARNING|CHECK):([A-Z0-9_]+):.*/\2/' <<<"$line")
		grep -qwF -- "$type" "$2" || echo "$line"
	done
}

# QEMU's has no types: the letter quotes the complaint.
checkpatch_qemu() {
	local line text
	checkpatch "$1" | while read -r line; do
		text=$(sed -E 's/.*(ERROR|WARNING): //' <<<"$line")
		tr '\n' ' ' <"$2" | grep -qF -- "$text" || echo "$line"
	done
}

# Its exit status says only that there is something to print.
checkpatch() {
	(cd "$TREE" || exit; perl scripts/checkpatch.pl --terse --no-summary "$@" 2>&1 || :) |
		sed -n -E '/(ERROR|WARNING|CHECK|Perl|perl).*:/p'
}

# --- without a tree --------------------------------------------------------------

# New files start from nothing, so what the series makes of them can be told
# without the tree that it is for.
check_static() {
	local includes name
	for name in $(series_names "$KIND"); do
		tap_check "$KIND: the file series of $name names every patch once" check_list \
			"$(base_dir "$KIND")/patches/$name"
	done
	readarray -t includes < <(series_map "$KIND" | awk '{ print "--include=" $2 }')
	REPO=$SCRATCH/static-$KIND
	mkdir -p "$REPO"
	series_git -C "$REPO" init -q
	tap_check "$KIND: the new files' patches apply to nothing" static_apply "${includes[@]}"
	tap_check "$KIND: the plain sources are what the series make" check_plain
}

check_list() {
	diff <(base_table "$1/series") <(cd "$1" && ls -- *.patch)
}

static_apply() {
	local patch
	series_patches "$KIND" "$(base_default "$KIND")" | while read -r patch; do
		series_git -C "$REPO" apply --whitespace=nowarn "$@" "$patch"
	done
}
