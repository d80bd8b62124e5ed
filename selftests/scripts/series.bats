#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# scripts/patches with two series of one tree, on a kernel that is a file of forty lines:
# the second says that it applies alone, and needs a prelude on the other base.

load helpers

export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME='vmgen developers' GIT_AUTHOR_EMAIL=vmgen@localhost
export GIT_COMMITTER_NAME=$GIT_AUTHOR_NAME GIT_COMMITTER_EMAIL=$GIT_AUTHOR_EMAIL

setup() {
	make_copy
	PATCHES=$COPY/kernel/patches
	mkdir -p "$PATCHES"/{first,second} "$COPY/selftests/mutants/kernel"
	printf '%s\n' 'toy linux-source-toy 1-1 sid' 'new linux-source-new 2-1 sid' > "$COPY/kernel/base"
	printf '%s\n' 'kernel/one one' 'kernel/two two' > "$COPY/kernel/files.map"
	printf '%s\n' first 'second alone' > "$PATCHES/order"
	echo 'a letter' | tee "$PATCHES/first/cover-letter" > "$PATCHES/second/cover-letter"
	: > "$PATCHES/first/series"
	: > "$PATCHES/second/series"
	make_tree "$VMGEN_CACHE/src/kernel-toy/1-1" 20
	make_tree "$VMGEN_CACHE/src/kernel-new/2-1" twenty
	make_series
	mutant
}

teardown() {
	drop_copy
}

# make_tree FOLDER LINE-20
make_tree() {
	mkdir -p "$1/scripts"
	seq 40 | sed "s/^20$/$2/" > "$1/numbers"
	# shellcheck disable=SC2016 # what is in single quotes is for perl
	printf '%s\n' 'for (@ARGV) { next if /^--/; open F, $_; print "$_:1: WARNING:LATER: later\n" if grep /later/, <F> }' \
		> "$1/scripts/checkpatch.pl"
}

patches() {
	"$COPY/scripts/patches" "$@"
}

in_tree() {
	git -C "$TREE" "$@"
}

# change BRANCH SUBJECT SED-COMMAND [NEW-FILE]: one more patch there
change() {
	in_tree checkout -q "$1"
	sed -i "$3" "$TREE/numbers"
	[[ -z ${4:-} ]] || echo "new" > "$TREE/$4"
	in_tree add -A
	in_tree commit -q -s -m "$2"
}

# Begun as --help says.
make_series() {
	TREE=$(patches apply kernel)
	change first 'one' 's/^5$/five/' one
	change first 'three' 's/^35$/thirty-five/'
	in_tree rebase -q first second
	change second 'two' 's/^21$/twenty-one/' two
	make_prelude
	patches refresh kernel --from "$TREE"
}

make_prelude() {
	local repo=$COPY/prelude
	mkdir "$PATCHES/second/prelude-new"
	git init -q "$repo"
	cp "$VMGEN_CACHE/src/kernel-new/2-1/numbers" "$repo"
	git -C "$repo" add -A
	git -C "$repo" commit -q -m base
	sed -i 's/^twenty$/20/' "$repo/numbers"
	git -C "$repo" commit -q -a -s -m 'before'
	git -C "$repo" format-patch -q -1 -N -o "$PATCHES/second/prelude-new"
	echo 0001-before.patch > "$PATCHES/second/prelude-new/series"
}

# What no tree of one series has: lines of both.
mutant() {
	printf '%s\n' '--- a/numbers' '+++ b/numbers' '@@ -20,2 +20,2 @@' ' 20' '-twenty-one' '+mutant' \
		> "$COPY/selftests/mutants/kernel/mutant.patch"
}

# "SUBJECT..." of the patches of a folder
subjects() {
	sed "s|^|$PATCHES/$1/|" "$PATCHES/$1/series" | xargs -r sed -n 's/^Subject: \[PATCH\] //p' | paste -sd' '
}

# state FOLDER: all that is in it, but for the names of blobs, which a patch that is put
# before others changes
state() {
	find "$PATCHES/$1" -type f | sort | xargs grep -v '^index '
}

# only_fails TEXT: of what was checked, that and no other
only_fails() {
	run -1 patches check kernel
	echo "$output"
	[[ $(grep -c '^not ok' <<< "$output") -eq 1 ]]
	grep "^not ok.* - $1\$" <<< "$output"
}

@test "series: begun as --help says, each has the patches of its branch, and all checks pass" {
	[[ $(subjects first) == 'one three' && $(subjects second) == two ]]
	[[ $(cat "$COPY"/kernel/{one,two}) == $'new\nnew' ]]
	run -0 patches check kernel
	has ' - kernel toy: second applies alone'
	has ' - kernel new: second applies alone'
	has ' - kernel new: second/prelude-new regenerates byte for byte'
	has ' - kernel toy: checkpatch: second/0001-two.patch'
	has ' - kernel toy: the mutants apply on top of the series'
	[[ $output != *'first applies alone'* ]]
	run -0 patches check kernel --static
}

@test "series: an edited plain source goes into its patch, and the other series stays" {
	second=$(state second)
	echo edited >> "$COPY/kernel/one"
	run -0 patches refresh kernel
	has 'folding kernel/one into: one'
	grep -qx '+edited' "$PATCHES/first/0001-one.patch"
	[[ $(state second) == "$second" && $(subjects first) == 'one three' ]]
	first=$(state first)
	echo edited >> "$COPY/kernel/two"
	run -0 patches refresh kernel
	has 'folding kernel/two into: two'
	grep -qx '+edited' "$PATCHES/second/0001-two.patch"
	[[ $(state first) == "$first" ]]
	run -0 patches check kernel
}

@test "series: a plain source of both goes into the last patch that touches it" {
	echo more >> "$TREE/one"
	in_tree commit -q -a -s -m 'one more'
	patches refresh kernel --from "$TREE"
	first=$(state first)
	echo edited >> "$COPY/kernel/one"
	run -0 patches refresh kernel
	has 'folding kernel/one into: one more'
	[[ $(state first) == "$first" ]]
}

@test "series: a patch for the first one, committed on its branch" {
	second=$(state second)
	change first 'four' 's/^38$/thirty-eight/'
	in_tree rebase -q first second
	patches refresh kernel --from "$TREE"
	[[ $(subjects first) == 'one three four' && $(state second) == "$second" ]]
	run -0 patches check kernel
}

# git has "pick one", "pick three", "update-ref first", "pick two", "pick four".
@test "series: a patch for the first one, committed at the end and moved" {
	second=$(state second)
	change second 'four' 's/^38$/thirty-eight/'
	# shellcheck disable=SC2016 # what is in single quotes is for sed
	GIT_SEQUENCE_EDITOR='sed -i -e "/^update-ref.*first/{h;d}" -e "/^pick.* two/{H;d}" -e "/^pick.* four/G"' \
		in_tree rebase -q -i base
	patches refresh kernel --from "$TREE"
	[[ $(subjects first) == 'one three four' && $(state second) == "$second" ]]
}

@test "series: a branch that was left behind, or is missing, or is not the last, is refused" {
	before=$(state .)
	change first 'four' 's/^38$/thirty-eight/'
	run -1 patches refresh kernel --from "$TREE"
	has "the branch 'second' is not on top of 'first'"
	has "rebase --update-refs first second"
	in_tree rebase -q first second
	in_tree checkout -q first
	run -1 patches refresh kernel --from "$TREE"
	has "something else checked out than 'second'"
	in_tree checkout -q second
	in_tree branch -D first
	run -1 patches refresh kernel --from "$TREE"
	has "has no branch 'first'"
	[[ $(state .) == "$before" ]]
}

@test "series: the tree of another base is refused" {
	before=$(state .)
	run -1 patches refresh kernel --from "$(patches apply kernel --base new)"
	has 'is a tree of kernel new, and the series are made from toy'
	[[ $(state .) == "$before" ]]
}

@test "series: apply drops no work, on whatever branch it is" {
	patches apply kernel
	change first 'four' 's/^38$/thirty-eight/'
	in_tree checkout -q second
	run -1 patches apply kernel
	has 'has work of yours in it'
	in_tree branch -f first second
	run -0 patches apply kernel
	[[ $(in_tree log -1 --format=%s first) == three ]]
}

@test "series: one that says that it applies alone, and does not, fails" {
	change second 'needs the first' 's/^five$/fifty/'
	patches refresh kernel --from "$TREE"
	run -1 patches check kernel
	[[ $(grep -c '^not ok' <<< "$output") -eq 2 ]]
	grep '^not ok.* - kernel toy: second applies alone$' <<< "$output"
	grep '^not ok.* - kernel new: second applies alone$' <<< "$output"
	sed -i 's/ alone//' "$PATCHES/order"
	run -0 patches check kernel
}

@test "series: what checkpatch says must be in the letter of the same series" {
	change second 'do it later' 's/^38$/thirty-eight/'
	patches refresh kernel --from "$TREE"
	echo 'LATER: so it is' >> "$PATCHES/first/cover-letter"
	only_fails 'kernel toy: checkpatch: second/0002-do-it-later.patch'
	mv "$PATCHES/first/cover-letter" "$PATCHES/second"
	only_fails 'kernel: every series has patches and a cover letter'
	echo 'a letter' > "$PATCHES/first/cover-letter"
	run -0 patches check kernel
}

@test "series: a folder that is in no order, an order without the folder, a word that is none" {
	mkdir "$PATCHES/third"
	only_fails 'kernel: order names every series once'
	rmdir "$PATCHES/third"
	sed -i 's/ alone/ lonely/' "$PATCHES/order"
	only_fails 'kernel: order names every series once'
	echo second > "$PATCHES/order"
	run -1 patches check kernel
	grep '^not ok.* - kernel: order names every series once$' <<< "$output"
}

@test "series: a patch that was edited by hand is found in whichever series it is" {
	sed -i 's/^Subject.*/& now/' "$PATCHES/second/prelude-new/0001-before.patch"
	only_fails 'kernel new: second/prelude-new regenerates byte for byte'
	patches refresh kernel
	run -0 patches check kernel
	sed -i '/^ 22$/s/$/2/' "$PATCHES/second/0001-two.patch"
	run -1 patches check kernel
	sed -i '/^ 222$/s/2$//' "$PATCHES/second/0001-two.patch"
	sed -i 's/^index .*/index 0..1/' "$PATCHES/first/0002-three.patch"
	only_fails 'kernel toy: first regenerates byte for byte'
}
