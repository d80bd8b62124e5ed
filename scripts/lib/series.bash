# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# The patch series for a base, and their final state as a small git repository that
# holds only the files which the patches name.  That takes milliseconds where a
# repository of the whole tree takes a minute.

readonly VMGEN_NAME='vmgen developers' VMGEN_EMAIL='vmgen@localhost'

# git, whatever the user's own configuration says.
series_git() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 \
		GIT_AUTHOR_NAME=$VMGEN_NAME GIT_AUTHOR_EMAIL=$VMGEN_EMAIL \
		GIT_COMMITTER_NAME=$VMGEN_NAME GIT_COMMITTER_EMAIL=$VMGEN_EMAIL \
		git -c core.autocrlf=false -c core.abbrev=12 -c gc.auto=0 "$@"
}

# The series of a tree, in the order in which they are applied.
series_names() {
	local order
	order=$(base_dir "$1")/patches/order
	[[ ! -e $order ]] || base_table "$order" | awk '{ print $1 }'
}

# Those that say of themselves that they need none of the others.
series_alone() {
	base_table "$(base_dir "$1")/patches/order" | awk '$2 == "alone" { print $1 }'
}

# series_folders KIND BASE [SERIES]: the folders with patches for a base, in order.  The
# prelude of a series brings another tree level with the one that the series was written
# for, its postlude makes good what the series cannot know of it.  A stock build has none.
series_folders() {
	local patches name folder
	[[ -z ${STOCK:-} ]] || return 0
	patches=$(base_dir "$1")/patches
	for name in ${3:-$(series_names "$1")}; do
		for folder in "$name/prelude-$2" "$name" "$name/postlude-$2"; do
			[[ ! -e $patches/$folder/series ]] || echo "$patches/$folder"
		done
	done
}

# The branch that ends where the patches of a folder do.
series_branch() {
	local folder=${1##*/patches/}
	echo "${folder//\//-}"
}

# "FOLDER RANGE": what commits the patches of a folder are made of.  A series is made on
# the default base, which it was written for, and what is for one base alone on that one.
series_ranges() {
	local folder end last=base
	series_folders "$1" "$2" | while read -r folder; do
		end=$(series_branch "$folder")
		[[ $2 != "$(base_default "$1")" && ${folder##*/} != *lude-* ]] || echo "$folder $last..$end"
		last=$end
	done
}

series_list() {
	base_table "$1/series" | sed "s|^|$1/|"
}

# series_patches KIND BASE: all patches for a base, in order.
series_patches() {
	local folder
	series_folders "$1" "$2" | while read -r folder; do
		series_list "$folder"
	done
}

# The files that the patches named on standard input touch.
series_paths() {
	xargs -r sed -n -E 's|^diff --git a/(.*) b/(.*)$|\1\n\2|p; s|^\+\+\+ b/(.*)$|\1|p; s|^--- a/(.*)$|\1|p' | sort -u
}

# series_start KIND BASE TREE REPO [MUTANT]: only the files of the base that
# patches touch, tagged "base".  .gitattributes decides what stands behind the @@.
series_start() {
	local kind=$1 base=$2 tree=$3 repo=$4 mutant=${5:-} path
	rm -rf -- "$repo"
	mkdir -p "$repo"
	series_git -C "$repo" init -q -b main
	{ series_patches "$kind" "$base"; echo "$mutant"; } | sed '/^$/d' | series_paths |
		{ cat; echo .gitattributes; } |
		while read -r path; do
			[[ ! -e $tree/$path ]] || printf '%s\0' "$path"
		done | (cd "$tree" && xargs -0r cp --parents -t "$repo")
	series_git -C "$repo" add -f -A
	series_git -C "$repo" commit -q --allow-empty -m base
	series_git -C "$repo" tag base
}

# series_am KIND BASE REPO [SERIES]: one commit per patch on top of "base", of all series
# or of that one alone; a branch ends where a folder of patches does, and the last one is
# checked out.  The lines around a change may differ only where nobody wrote the patches
# for what is there.
series_am() {
	local kind=$1 base=$2 repo=$3 only=${4:-} folders folder patches
	local options=(--quiet --keep-cr --no-3way)
	[[ $base = "$(base_default "$kind")" && -z $only ]] || options+=(-C1)
	readarray -t folders < <(series_folders "$kind" "$base" "$only")
	for folder in "${folders[@]}"; do
		series_git -C "$repo" checkout -q -B "$(series_branch "$folder")"
		readarray -t patches < <(series_list "$folder")
		[[ ${#patches[@]} -gt 0 ]] || continue
		series_git -C "$repo" am "${options[@]}" -- "${patches[@]}" ||
			die "the $kind series ${folder##*/patches/} does not apply to $base${only:+ alone}" \
				"the half-applied series is in $repo (git am --show-current-patch=diff)"
	done
}

# series_format REPO RANGE FOLDER: the patches, always the same bytes for the same
# commits.
series_format() {
	series_git -C "$1" format-patch --quiet --zero-commit --no-signature -N \
		--abbrev=12 -o "$3" "$2"
	(cd "$3" && find . -name '*.patch' -printf '%f\n' | sort) >"$3/series"
}

# The plain sources of a tree: "path-in-repository path-in-tree".
series_map() {
	local map
	map=$(base_dir "$1")/files.map
	[[ ! -e $map ]] || base_table "$map"
}

# series_mutate REPO PATCH: a deliberately broken variant on top of all.
series_mutate() {
	patch -d "$1" -p1 --silent --force --no-backup-if-mismatch <"$2" ||
		die "the mutant $2 does not apply on top of the series"
	series_git -C "$1" add -f -A
	series_git -C "$1" commit -q -m mutant
}

# overlay_sync PRISTINE SRC REPO LIST: make SRC the pristine tree plus what the
# repository changed since "base".  Only files whose content differs are written,
# so that an incremental build rebuilds nothing else; LIST remembers every file that
# was ever changed, and is written first, so that an interruption loses nothing.
overlay_sync() {
	local pristine=$1 src=$2 repo=$3 list=$4 changed path from
	touch "$list"
	changed=$(series_git -C "$repo" diff --no-renames --name-only base HEAD)
	sort -u - "$list" <<<"$changed" | sed '/^$/d' >"$list.new"
	mv -- "$list.new" "$list"
	while read -r path; do
		from=$pristine
		! grep -qxF -- "$path" <<<"$changed" || from=$repo
		overlay_file "$from/$path" "$src/$path"
	done <"$list"
}

# A new file takes the old one's place by its name: the old one may be a hard link
# to the pristine tree's.
overlay_file() {
	if [[ ! -e $1 ]]; then
		rm -f -- "$2"
	elif ! cmp -s -- "$1" "$2"; then
		mkdir -p "$(dirname -- "$2")"
		cp -- "$1" "$2.vmgen-new"
		mv -- "$2.vmgen-new" "$2"
	fi
}
