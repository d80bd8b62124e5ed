# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# scripts/patches refresh: write the patches anew.

# fold_plain REPO: commit every edited plain source as a fixup of the last patch that
# touches it, of whatever series, and melt the fixups in.  The branches go along.
fold_plain() {
	local repo=$1 plain path target
	while read -r plain path; do
		[[ -e $VMGEN_ROOT/$plain ]] || die "files.map names $plain, which does not exist"
		! cmp -s -- "$VMGEN_ROOT/$plain" "$repo/$path" || continue
		target=$(series_git -C "$repo" log -1 --format=%H base..HEAD -- "$path")
		[[ -n $target ]] || die "no patch creates $path, so $plain has no place to go" \
			"make a patch for it: scripts/patches apply, commit, then refresh --from"
		say "folding $plain into: $(series_git -C "$repo" log -1 --format=%s "$target")"
		mkdir -p "$(dirname -- "$repo/$path")"
		cp -- "$VMGEN_ROOT/$plain" "$repo/$path"
		series_git -C "$repo" add -f -- "$path"
		series_git -C "$repo" commit -q --fixup "$target"
	done < <(series_map "$KIND")
	GIT_SEQUENCE_EDITOR=: series_git -C "$repo" rebase -q -i --autosquash --update-refs base
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

# publish_series REPO: write what that base decides.
publish_series() {
	local folder range
	series_ranges "$KIND" "$BASE_NAME" | while read -r folder range; do
		series_format "$1" "$range" "$SCRATCH/new/$range"
		publish_patches "$SCRATCH/new/$range" "$folder"
	done
}

# series_apply BASE REPO: all series as commits, as they are now.
series_apply() {
	need_tree "$1"
	series_start "$KIND" "$1" "$TREE" "$2"
	series_am "$KIND" "$1" "$2"
}

refresh() {
	local base default
	default=$(base_default "$KIND")
	series_apply "$default" "$SCRATCH/repo"
	if [[ -n $FROM ]]; then
		refresh_from "$FROM"
	else
		fold_plain "$SCRATCH/repo"
		publish_series "$SCRATCH/repo"
	fi
	for base in $(base_others "$KIND"); do
		[[ -n $(series_ranges "$KIND" "$base") ]] || continue
		series_apply "$base" "$SCRATCH/$base"
		publish_series "$SCRATCH/$base"
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

# Where each series ends must be known, and be on the way to the end of the last one.
from_has_series() {
	local from=$1 range start end
	while read -r _ range; do
		start=${range%..*} end=${range#*..}
		series_git -C "$from" rev-parse -q --verify "refs/heads/$end" >/dev/null ||
			die "$from has no branch '$end' where the series of that name ends"
		series_git -C "$from" merge-base --is-ancestor "$start" "$end" ||
			die "in $from, the branch '$end' is not on top of '$start'" \
				"put it there with: git -C $from rebase --update-refs $start $end"
	done < <(series_ranges "$KIND" "$BASE_NAME")
	[[ $(series_git -C "$from" rev-parse HEAD) = $(series_git -C "$from" rev-parse "$end") ]] ||
		die "$from has something else checked out than '$end', the end of the last series" \
			"put it right with: git -C $from checkout $end"
}

refresh_from() {
	local from=$1 base plain path
	[[ -z $(series_git -C "$from" status --porcelain --untracked-files=no) ]] ||
		die "$from has changes that are not committed"
	series_git -C "$from" rev-parse -q --verify base >/dev/null ||
		die "$from has no tag 'base' where the first series starts"
	base=$(series_git -C "$from" config vmgen.base || :)
	[[ ${base:-$BASE_NAME} = "$BASE_NAME" ]] ||
		die "$from is a tree of $KIND $base, and the series are made from $BASE_NAME"
	from_has_series "$from"
	plain_is_old_state "$SCRATCH/repo"
	publish_series "$from"
	while read -r plain path; do
		[[ -e $from/$path ]] || die "files.map names $path, which $from does not have"
		cmp -s -- "$from/$path" "$VMGEN_ROOT/$plain" && continue
		say "taking $plain from the tree"
		mkdir -p "$(dirname -- "$VMGEN_ROOT/$plain")"
		cp -- "$from/$path" "$VMGEN_ROOT/$plain"
	done < <(series_map "$KIND")
	# All work in a tree of apply's is kept now, so that apply may make it anew.
	[[ -z $base ]] || series_git -C "$from" tag -f applied >/dev/null
	# The patches carry the blobs' names in the tree they came from: the same bytes
	# have the same names, so one more round through the base changes nothing.
	series_apply "$BASE_NAME" "$SCRATCH/again"
}
