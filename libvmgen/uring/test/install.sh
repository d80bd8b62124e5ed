# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# What is installed is enough to build the example against, by pkg-config, shared and
# static, and all of it is taken away again.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root libs=/usr/lib/vmgen-test

# run_make DIR TARGET
run_make() {
	$MAKE -s --no-print-directory -C "$1" BUILD="$BUILD" UAPI="$UAPI" CC="$CC" \
		DESTDIR="$root" PREFIX=/usr LIBDIR=$libs "$2" > /dev/null
}

run_make .. install
run_make . install
for page in man/*.3; do
	[ -f "$root/usr/share/man/man3/${page#man/}" ]
done

command -v pkg-config > /dev/null || { echo "no pkg-config here"; exit 77; }
pkg() {
	PKG_CONFIG_PATH=$root$libs/pkgconfig pkg-config \
		--define-variable=libdir="$root$libs" \
		--define-variable=includedir="$root/usr/include" "$@"
}
# shellcheck disable=SC2046 # pkg-config prints several words
{
$CC -D_GNU_SOURCE -o "$scratch/shared" examples/uring-loop.c \
	$(pkg --cflags --libs vmgen-uring)
readelf -d "$scratch/shared" | grep -q 'libvmgen-uring\.so\.1'
$CC -D_GNU_SOURCE -static -o "$scratch/static" examples/uring-loop.c \
	$(pkg --static --cflags --libs vmgen-uring)
}

run_make . uninstall
left=$(find "$root" -name '*uring*')
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
