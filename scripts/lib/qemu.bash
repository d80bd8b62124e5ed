# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# How QEMU is configured and built.  The callers set SRC and OUT, the source and the
# build folder.

# Raise it when this file makes something else out of the same input.
# shellcheck disable=SC2034 # used elsewhere
QEMU_BUILD_VERSION=5

# Only what a headless guest needs.  The firmware is that of Debian's packages,
# because Debian's source comes without it.
QEMU_OPTIONS=(
	--target-list=x86_64-softmmu
	--python=/usr/bin/python3
	--without-default-features
	--without-default-devices
	--with-devices-x86_64=vmgen
	--enable-tcg
	--enable-kvm
	--enable-tools
	--enable-linux-aio
	--enable-linux-io-uring
	--enable-vhost-kernel
	--enable-vhost-net
	--enable-vhost-user
	--enable-vhost-user-blk-server
	--enable-fdt=system
	--disable-install-blobs
	--disable-download
	--disable-docs
	--disable-debug-info
	--disable-werror
	--firmwarepath=/usr/share/qemu:/usr/share/seabios
)

# The lists of devices: that of all bases, and what this one needs besides.
qemu_devices() {
	local list=$VMGEN_ROOT/scripts/lib/qemu-devices
	echo "$list.mak"
	[[ ! -f $list-$BASE_NAME.mak ]] || echo "$list-$BASE_NAME.mak"
}

qemu_configure() {
	local stamp lists devices=$SRC/configs/devices/x86_64-softmmu/vmgen.mak
	readarray -t lists < <(qemu_devices)
	stamp="${QEMU_OPTIONS[*]} $(meson_version)"
	# configure looks for it nowhere else, and a changed one is noticed by ninja.
	cat -- "${lists[@]}" | cmp -s -- - "$devices" || cat -- "${lists[@]}" >"$devices"
	[[ ! -f $OUT/build.ninja || "$(cat "$OUT/vmgen-configured" 2>/dev/null)" != "$stamp" ]] || return 0
	discard "$OUT"
	mkdir -p "$OUT"
	(cd "$OUT" && "$SRC/configure" "${QEMU_OPTIONS[@]}")
	echo "$stamp" >"$OUT/vmgen-configured"
}

qemu_ninja() {
	ninja -C "$OUT" "$@"
}

# The tests of these devices and of the view: those that the series bring and those that
# were there.
qemu_qtests() {
	ninja -C "$OUT" -t targets all |
		sed -n -E 's#^(tests/(qtest/(vm(gen[a-z]*|clock)|bios-tables|ram-view|snapshot)-test|unit/test-vmgen[a-z]*)): .*#\1#p'
}

qemu_build() {
	local tests
	# Added and changed lists of files reach the targets only through this.
	qemu_ninja build.ninja
	readarray -t tests < <(qemu_qtests)
	[[ ${#tests[@]} -gt 0 ]]
	qemu_ninja qemu-system-x86_64 qemu-img storage-daemon/qemu-storage-daemon "${tests[@]}"
}

# qemu_collect FOLDER: what a test needs of the build.
qemu_collect() {
	local program test
	mkdir "$1/bin" "$1/qtest"
	for program in qemu-system-x86_64 qemu-img storage-daemon/qemu-storage-daemon; do
		strip -o "$1/bin/${program##*/}" "$OUT/$program"
	done
	qemu_qtests | while read -r test; do
		strip -o "$1/qtest/$(basename -- "$test")" "$OUT/$test"
	done
	mkdir "$1/qtest/acpi"
	cp -r -- "$SRC/tests/data/acpi/x86" "$1/qtest/acpi"
	cp -- "$VMGEN_ROOT/scripts/lib/run-qtest" "$1/qtest/run"
}
