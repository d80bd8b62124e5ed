#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The manual page and the completion of vmfork, beside the verbs and options in its source.

load helpers

VMFORK=$BATS_TEST_DIRNAME/../../qemu-device/vmfork

setup() {
	STORE=$(mktemp -d)
	mkdir -p "$STORE"/machines/{web,db} "$STORE"/snapshots/{before,web.1}
	export VMFORK_DIR=$STORE
	# shellcheck source=/dev/null
	. "$VMFORK/completion/vmfork"
	# Only a completion that bash runs may say how it goes on.
	# shellcheck disable=SC2317
	compopt() { :; }
}

teardown() {
	rm -rf -- "$STORE"
}

# complete_to WORD...: what the last one can become
complete_to() {
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_vmfork
	echo "${COMPREPLY[*]}"
}

# Those that "vmfork --help" lists.
verbs() {
	sed -n '/^} verbs\[\]/,/^};/s/.*{ "\([a-z]*\)", "[^"]*", "[^"]*", verb_.*/\1/p' "$VMFORK/vmfork.c"
	sed -n 's/.*{ "\([a-z]*\)", "", "[^"]*", verb_.*/\1/p' "$VMFORK/vmfork.c"
}

# options FILE: those of GLib's tables
options() {
	sed -n 's/^[[:space:]]*{ "\([a-z-]*\)", 0, [0A-Z_]*, G_OPTION_ARG.*/--\1/p' "$VMFORK/$1.c" | sort
}

# The options of the verb in the synopsis.
manual_options() {
	awk -v verb="$1" '/^\.Sh DESCR/ { exit } /^\.Cm / { on = $2 == verb } on' "$VMFORK/man/vmfork.1" |
		grep -oE '^\.Op Fl [a-z\\-]{2,}' | sed 's/^.Op Fl //; s/\\//g; s/^/-/' | sed '/^--*$/d' | sort
}

# A manual page without what keeps a hyphen a hyphen.
page() {
	sed 's/\\-/-/g' "$VMFORK/man/$1"
}

@test "vmfork: the manual page and the completion have each verb" {
	[[ $(verbs | wc -l) -ge 10 ]]
	for verb in $(verbs | sort -u); do
		page vmfork.1 | sed '/^\.Ss/,$d' | grep -qx "\.It Cm $verb" || { echo "no $verb"; return 1; }
		[[ " $(complete_to vmfork '') " == *" $verb "* ]] || { echo "no $verb"; return 1; }
	done
	[[ $(complete_to vmfork '' | wc -w) -eq $(verbs | sort -u | wc -l) ]]
}

@test "vmfork: the manual page and the completion have each option of each verb, and no other" {
	local verb known=0
	global=$(options vmfork | sed '/^--version$/d'; echo --help)
	for verb in $(verbs | sort -u); do
		diff <(options "$verb") <(manual_options "$verb") || { echo "manual: $verb"; return 1; }
		diff <({ options "$verb"; echo "$global"; } | sort) \
			<(complete_to vmfork "$verb" - | tr ' ' '\n' | sort) || { echo "completion: $verb"; return 1; }
		known=$((known + $(options "$verb" | wc -l)))
	done
	[[ $known -ge 8 ]]
	for option in $global --version; do
		page vmfork.1 | grep -q "Fl ${option#-}\b"
	done
}

@test "vmfork: the manual page of the server has each of its options and requests" {
	local word known=0
	while read -r word; do
		page vmfork-view.8 | grep -q "^\.It Fl -$word\b"
		known=$((known + 1))
	done < <(sed -n 's/.*{ "\([a-z-]*\)", \(required\|no\)_argument.*/\1/p' "$VMFORK/view/main.c")
	[[ $known -ge 6 ]]
	for word in arm freeze rebase detach status close; do
		grep -q "\"$word\"" "$VMFORK/view/control.c"
		grep -qF "\(dq$word\(dq" "$VMFORK/man/vmfork-view.8"
	done
}

@test "vmfork: names are completed where they belong" {
	[[ $(complete_to vmfork snapshot '') == 'db web' ]]
	[[ $(complete_to vmfork --json rollback w) == web ]]
	[[ $(complete_to vmfork rollback web '') == 'before web.1' ]]
	[[ $(complete_to vmfork fork --count 3 b) == before ]]
	[[ $(complete_to vmfork rm db w) == 'web web.1' ]]
	[[ $(complete_to vmfork status b) == before ]]
	[[ -z $(complete_to vmfork snapshot web '') && -z $(complete_to vmfork run '') ]]
	[[ $(complete_to vmfork snapshot web --on-full '') == 'stop drop' ]]
	[[ -z $(complete_to vmfork run web -- --mem) ]]
}

@test "vmfork: the store of --dir is looked in, and none is made" {
	unset VMFORK_DIR
	[[ $(complete_to vmfork --dir "$STORE" fork b) == before ]]
	[[ $(complete_to vmfork --dir = "$STORE" fork b) == before ]]
	[[ -z $(complete_to vmfork --dir "$STORE/none" fork '') && ! -e $STORE/none ]]
}
