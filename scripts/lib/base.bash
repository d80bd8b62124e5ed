# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# The pinned versions: kernel/base and qemu-device/base, one line per base,
# "name package version suite", the default first, # starts a comment.

base_dir() {
	case $1 in
	kernel) echo "$VMGEN_ROOT/kernel" ;;
	qemu) echo "$VMGEN_ROOT/qemu-device" ;;
	*) usage_error "'$1' is neither kernel nor qemu" ;;
	esac
}

# One record per line, comments and blank lines gone.
base_table() {
	sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1"
}

base_names() {
	base_table "$(base_dir "$1")/base" | awk '{ print $1 }'
}

base_default() {
	base_names "$1" | head -n 1
}

base_others() {
	base_names "$1" | tail -n +2
}

# Sets BASE_NAME, BASE_PACKAGE, BASE_VERSION and BASE_SUITE.
# shellcheck disable=SC2034 # used by the scripts that source this file
base_read() {
	local dir
	dir=$(base_dir "$1")
	while read -r BASE_NAME BASE_PACKAGE BASE_VERSION BASE_SUITE; do
		[[ $BASE_NAME != "$2" ]] || return 0
	done < <(base_table "$dir/base")
	usage_error "there is no $1 base '$2'; known: $(base_names "$1" | paste -sd' ')"
}

# The folder of a version: without the epoch, and without characters that make
# and PATH cannot have.
base_version_folder() {
	local version=${1#*:}
	echo "${version//[^A-Za-z0-9.+-]/-}"
}

# Where scripts/fetch remembers that another version stands in for the recorded one.
base_substitute_file() {
	echo "$VMGEN_CACHE/src/$1-$BASE_NAME/instead-of-$(base_version_folder "$BASE_VERSION")"
}

# The version in use: the recorded one, or what fetch took when Debian had it no more.
base_version_used() {
	local substitute
	substitute=$(base_substitute_file "$1")
	if [[ -r $substitute ]]; then
		cat -- "$substitute"
	else
		echo "$BASE_VERSION"
	fi
}
