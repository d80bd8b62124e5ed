# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# The patch series of a base, and its final state as a small git repository that
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

# The folders with patches for a base, in order.  A prelude brings another tree level
# with the one that the series was written for, a postlude makes good what the series
# cannot know of it.  A stock build has none.
series_folders() {
	local patches
	[[ -z ${STOCK:-} ]] || return 0
	patches=$(base_dir "$1")/patches
	[[ ! -e $patches/prelude-$2/series ]] || echo "$patches/prelude-$2"
	[[ ! -e $patches/series ]] || echo "$patches"
	[[ ! -e $patches/postlude-$2/series ]] || echo "$patches/postlude-$2"
}

# The folders with patches for that base alone, and the commits that come from them.
series_around() {
	series_folders "$1" "$2" | sed -n -E 's|.*/prelude-.*|& base..prelude|p; s|.*/postlude-.*|& series..HEAD|p'
}

series_list() {
	base_table "$1/series" | sed "s|^|$1/|"
}

# The patches for a base, in order.
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

# series_am KIND BASE REPO: one commit per patch on top of "base"; the ends of the
# prelude and of the series are tagged "prelude" and "series".  Only on other bases than
# the default one, which the series was written for, may the lines around a change
# differ.
series_am() {
	local kind=$1 base=$2 repo=$3 folder patches options=(--quiet --keep-cr --no-3way)
	[[ $base = "$(base_default "$kind")" ]] || options+=(-C1)
	series_git -C "$repo" tag -f prelude >/dev/null
	for folder in $(series_folders "$kind" "$base"); do
		readarray -t patches < <(series_list "$folder")
		[[ ${#patches[@]} -gt 0 ]] || continue
		series_git -C "$repo" am "${options[@]}" -- "${patches[@]}" ||
			die "the $kind series does not apply to $base" \
				"the half-applied series is in $repo (git am --show-current-patch=diff)"
		[[ $folder != */prelude-* ]] || series_git -C "$repo" tag -f prelude >/dev/null
		[[ $folder = */postlude-* ]] || series_git -C "$repo" tag -f series >/dev/null
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

# series_mutate REPO PATCH: a deliberately broken variant on top.
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
