# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# What `make install` puts under DESTDIR is enough to build a program against, by
# pkg-config, shared and static, and `make uninstall` takes all of it away.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root

run_make() {
	$MAKE -s --no-print-directory BUILD="$BUILD" UAPI="$UAPI" CC="$CC" DESTDIR="$root" \
		PREFIX=/usr LIBDIR=/usr/lib/vmgen-test "$@"
}

run_make install > /dev/null
for page in man/*.3; do
	[ -f "$root/usr/share/man/man3/${page#man/}" ]
done

command -v pkg-config > /dev/null || { echo "no pkg-config here"; exit 77; }
export PKG_CONFIG_LIBDIR="$root/usr/lib/vmgen-test/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root"
cp examples/guarded-prng.c "$scratch"
cd "$scratch"
# shellcheck disable=SC2046 # pkg-config prints several words
{
$CC -D_GNU_SOURCE -o shared guarded-prng.c $(pkg-config --cflags --libs vmgen)
LD_LIBRARY_PATH=$root/usr/lib/vmgen-test ./shared > /dev/null
readelf -d shared | grep -q 'libvmgen\.so\.1'
$CC -D_GNU_SOURCE -static -o static guarded-prng.c $(pkg-config --static --cflags --libs vmgen)
./static > /dev/null
}
cd - > /dev/null

run_make uninstall > /dev/null
left=$(find "$root" -type f -o -type l)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
