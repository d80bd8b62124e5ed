# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# The work folder of a base: a copy of its source with all series applied, and
# build folders beside it that incremental builds go on with.  The caller holds the
# lock "work-KIND-BASE" and has set KIND and BASE_NAME.

# work_prepare PRISTINE [MUTANT]: sets WORK and SRC; SRC holds the base plus the
# series plus the mutant, whatever it held before.
work_prepare() {
	local pristine=$1 mutant=${2:-}
	WORK=$VMGEN_CACHE/work/$KIND-$BASE_NAME
	SRC=$WORK/src
	mkdir -p "$WORK"
	discard_leftovers "$WORK"
	work_copy "$pristine"
	series_start "$KIND" "$BASE_NAME" "$pristine" "$WORK/series" "$mutant"
	series_am "$KIND" "$BASE_NAME" "$WORK/series"
	[[ -z $mutant ]] || series_mutate "$WORK/series" "$mutant"
	overlay_sync "$pristine" "$SRC" "$WORK/series" "$WORK/overlay"
}

# Hard links: a second or two, and no space.  Another version of the base makes
# everything built from the old one worthless.
work_copy() {
	local old version
	version=$(basename -- "$1")
	[[ "$(cat "$WORK/version" 2>/dev/null)" != "$version" ]] || return 0
	for old in "$WORK"/*; do
		discard "$old"
	done
	cp -al -- "$1" "$WORK/.tmp.src"
	mv -T -- "$WORK/.tmp.src" "$SRC"
	echo "$version" >"$WORK/.tmp.version"
	mv -- "$WORK/.tmp.version" "$WORK/version"
}

WORK_OPEN=

# A build that was killed may have left a file that looks newer than its source.
# The marker outlives a kill; an orderly end, also of a failed build, removes it.
work_open_build() {
	if [[ -e $1.dirty ]]; then
		say "an earlier run was interrupted here: starting $(basename -- "$1") afresh"
		discard "$1"
	fi
	touch -- "$1.dirty"
	WORK_OPEN=$1
	trap work_failed EXIT
}

work_close_build() {
	rm -f -- "$1.dirty"
	WORK_OPEN=
}

# At exit: a compiler error is no reason to start from nothing, a kill is.
work_failed() {
	[[ -z $WORK_OPEN || $STEP_RC -gt 128 ]] || work_close_build "$WORK_OPEN"
	[[ -z ${RESULT:-} ]] || rm -rf -- "$RESULT"
}
