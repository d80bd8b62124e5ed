# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# How a guest kernel is configured and built.  The callers set SRC and OUT, the
# source and the build folder.

# Raise it when this file makes something else out of the same input.
# shellcheck disable=SC2034 # used elsewhere
KERNEL_BUILD_VERSION=2

# One configuration fragment per line; later ones win.
kernel_fragments() {
	echo "$VMGEN_ROOT/Kconfig.frag"
	echo "$VMGEN_ROOT/selftests/vmgenctr/config"
	[[ $1 = tiny ]] || echo "$VMGEN_ROOT/selftests/harness/$1.config"
}

# Without the options that the series adds.
kernel_fragment_stock() {
	cat -- "$@" | grep -v '^CONFIG_VMGENCTR'
}

kernel_make() {
	KBUILD_BUILD_TIMESTAMP='Thu Jan 1 00:00:00 UTC 1970' KBUILD_BUILD_VERSION=1 \
		KBUILD_BUILD_USER=vmgen KBUILD_BUILD_HOST=vmgen \
		make -C "$SRC" O="$OUT" ARCH=x86_64 -j"$(nproc)" "$@"
}

# kernel_configure FRAGMENT...: tinyconfig plus the fragments, all of which must be kept
kernel_configure() {
	kernel_merge "$@"
	kernel_check_config "$OUT/.config" "$@"
}

# kernel_merge FRAGMENT...: tinyconfig plus what the tree knows of the fragments, unless
# that is what is there.  An unchanged result keeps its file, so that nothing is rebuilt.
# The two steps are those of "make tinyconfig", which runs make once more in between.
kernel_merge() {
	local stamp
	stamp=$(store_key "$@" "$("${CC:-gcc}" --version | head -n 1)")
	! kernel_is_configured "$stamp" || return 0
	mkdir -p "$OUT"
	rm -f "$OUT"/.config.new "$OUT"/.config.new.old
	KCONFIG_ALLCONFIG=$SRC/kernel/configs/tiny-base.config \
		kernel_make KCONFIG_CONFIG=.config.new allnoconfig
	cat -- "$SRC/kernel/configs/tiny.config" "$SRC/arch/x86/configs/tiny.config" "$@" \
		>>"$OUT/.config.new"
	kernel_make KCONFIG_CONFIG=.config.new olddefconfig
	cmp -s "$OUT/.config.new" "$OUT/.config" || mv -- "$OUT/.config.new" "$OUT/.config"
	echo "$stamp" >"$OUT/vmgen-configured"
}

# Nothing that decides about options has changed since: three runs of make saved.
kernel_is_configured() {
	local stamp=$OUT/vmgen-configured
	[[ "$(cat "$stamp" 2>/dev/null)" = "$1" ]] &&
		[[ -z $(find "$SRC" -name 'Kconfig*' -newer "$stamp" -print -quit) ]]
}

# An option that Kconfig dropped for a missing dependency would leave a test that
# tests nothing.
kernel_check_config() {
	local config=$1 lost
	shift
	lost=$(cat -- "$@" | kernel_wanted_options | while IFS= read -r line; do
		kernel_has_option "$config" "$line" || echo "    $line"
	done)
	[[ -z $lost ]] && return
	printf 'these options did not survive olddefconfig (renamed, or a dependency is off):\n%s\n' "$lost"
	return 1
}

# "CONFIG_X=v" or "CONFIG_X=n" per option: the last word on each.
kernel_wanted_options() {
	sed -n -E 's/^# (CONFIG_[A-Za-z0-9_]+) is not set$/\1=n/; /^CONFIG_[A-Za-z0-9_]+=/p' |
		awk -F= '{ line[$1] = $0 } END { for (option in line) print line[option] }' | sort
}

kernel_has_option() {
	if [[ $2 = *=n ]]; then
		! grep -q "^${2%=n}=" "$1"
	else
		grep -qxF -- "$2" "$1"
	fi
}

# kernel_export_header TREE HEADER FOLDER: into FOLDER/linux, what "make headers" makes of
# it, by the kernel's own scripts; of all headers that takes most of a minute.
kernel_export_header() {
	mkdir -p "$3/scripts" "$3/linux"
	"${CC:-gcc}" -o "$3/scripts/unifdef" "$1/scripts/unifdef.c"
	(cd "$3" && sh "$1/scripts/headers_install.sh" "$2" "linux/$(basename -- "$2")")
}

# Static, because the guest's only file system is an initramfs.
kernel_selftests() {
	kernel_export_header "$SRC" "$SRC/include/uapi/linux/vmgenctr.h" "$OUT/vmgen-headers"
	make -C "$SRC/tools/testing/selftests" O="$OUT" ARCH=x86_64 TARGETS=vmgenctr \
		KHDR_INCLUDES="-isystem $OUT/vmgen-headers" LDFLAGS=-static \
		INSTALL_PATH="$1" install
}

# kernel_collect FOLDER: what a test needs of the build.
kernel_collect() {
	cp -- "$OUT/arch/x86/boot/bzImage" "$OUT/System.map" "$1/"
	cp -- "$OUT/.config" "$1/config"
	! grep -q '^CONFIG_DEBUG_INFO=y' "$OUT/.config" ||
		objcopy --compress-debug-sections=zlib "$OUT/vmlinux" "$1/vmlinux"
}
