# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# scripts/patches refresh: write the patches anew.

# fold_plain REPO: commit every edited plain source as a fixup of the last patch that
# touches it, and melt the fixups in.
fold_plain() {
	local repo=$1 plain path target
	while read -r plain path; do
		[[ -e $VMGEN_ROOT/$plain ]] || die "files.map names $plain, which does not exist"
		! cmp -s -- "$VMGEN_ROOT/$plain" "$repo/$path" || continue
		target=$(series_git -C "$repo" log -1 --format=%H prelude..HEAD -- "$path")
		[[ -n $target ]] || die "no patch creates $path, so $plain has no place to go" \
			"make a patch for it: scripts/patches apply, commit, then refresh --from"
		say "folding $plain into: $(series_git -C "$repo" log -1 --format=%s "$target")"
		mkdir -p "$(dirname -- "$repo/$path")"
		cp -- "$VMGEN_ROOT/$plain" "$repo/$path"
		series_git -C "$repo" add -f -- "$path"
		series_git -C "$repo" commit -q --fixup "$target"
	done < <(series_map "$KIND")
	GIT_SEQUENCE_EDITOR=: series_git -C "$repo" rebase -q -i --autosquash prelude
}

# publish_patches SCRATCH FOLDER: replace the patches in FOLDER.
publish_patches() {
	local file
	mkdir -p "$2"
	while read -r file; do
		[[ -e $1/$(basename -- "$file") ]] || rm -f -- "$file"
	done < <(find "$2" -maxdepth 1 -name '*.patch')
	for file in "$1"/*; do
		cmp -s -- "$file" "$2/$(basename -- "$file")" || cp -- "$file" "$2/"
	done
}

# A prelude or postlude belongs to one base, and only that base's files can renew it.
refresh_around() {
	local repo=$SCRATCH/$1 folder range
	need_tree "$1"
	series_start "$KIND" "$BASE_NAME" "$TREE" "$repo"
	series_am "$KIND" "$BASE_NAME" "$repo"
	series_around "$KIND" "$BASE_NAME" | while read -r folder range; do
		series_format "$repo" "$range" "$repo.new/$range"
		publish_patches "$repo.new/$range" "$folder"
	done
}

refresh() {
	local patches base
	patches=$(base_dir "$KIND")/patches
	need_tree "$(base_default "$KIND")"
	if [[ -n $FROM ]]; then
		refresh_from "$FROM" "$patches"
	else
		series_start "$KIND" "$BASE_NAME" "$TREE" "$SCRATCH/repo"
		series_am "$KIND" "$BASE_NAME" "$SCRATCH/repo"
		fold_plain "$SCRATCH/repo"
		series_format "$SCRATCH/repo" prelude..HEAD "$SCRATCH/patches"
		publish_patches "$SCRATCH/patches" "$patches"
	fi
	for base in $(base_names "$KIND"); do
		[[ -z $(series_around "$KIND" "$base") ]] || refresh_around "$base"
	done
	say "run scripts/patches check $KIND next"
}

# --- from a git tree that a person worked in -----------------------------------

# A plain source that was edited since the patches were written would be lost.
plain_is_old_state() {
	local repo=$1 plain path
	while read -r plain path; do
		[[ -e $VMGEN_ROOT/$plain && -e $repo/$path ]] || continue
		cmp -s -- "$VMGEN_ROOT/$plain" "$repo/$path" ||
			cmp -s -- "$VMGEN_ROOT/$plain" "$FROM/$path" ||
			die "$plain was edited, and $FROM has another state of it" \
				"copy the edit there and commit it, or drop it here"
	done < <(series_map "$KIND")
}

refresh_from() {
	local from=$1 patches=$2 plain path
	[[ -z $(series_git -C "$from" status --porcelain --untracked-files=no) ]] ||
		die "$from has changes that are not committed"
	series_git -C "$from" rev-parse -q --verify base >/dev/null ||
		die "$from has no tag 'base' where the series starts"
	series_start "$KIND" "$BASE_NAME" "$TREE" "$SCRATCH/repo"
	series_am "$KIND" "$BASE_NAME" "$SCRATCH/repo"
	plain_is_old_state "$SCRATCH/repo"
	series_format "$from" base..HEAD "$SCRATCH/patches"
	publish_patches "$SCRATCH/patches" "$patches"
	while read -r plain path; do
		[[ -e $from/$path ]] || die "files.map names $path, which $from does not have"
		cmp -s -- "$from/$path" "$VMGEN_ROOT/$plain" && continue
		say "taking $plain from the tree"
		mkdir -p "$(dirname -- "$VMGEN_ROOT/$plain")"
		cp -- "$from/$path" "$VMGEN_ROOT/$plain"
	done < <(series_map "$KIND")
	# The patches carry the blobs' names in the tree they came from: the same bytes
	# have the same names, so one more round through the base changes nothing.
	series_start "$KIND" "$BASE_NAME" "$TREE" "$SCRATCH/again"
	series_am "$KIND" "$BASE_NAME" "$SCRATCH/again"
}
