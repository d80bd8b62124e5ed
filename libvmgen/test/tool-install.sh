# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# `make install` puts the command, its manual page, its completion and the udev rules
# where variables say, and the command works with the installed library.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

run_make() {
	$MAKE -s --no-print-directory BUILD="$BUILD" UAPI="$UAPI" CC="$CC" DESTDIR="$scratch/root" \
		PREFIX=/usr LIBDIR=/usr/lib/vmgen-test UDEVDIR=/lib/udev "$@"
}

run_make install > /dev/null
cd "$scratch/root"
LD_LIBRARY_PATH=$PWD/usr/lib/vmgen-test usr/bin/vmgen --version | grep -q '^vmgen [0-9]'
[ -f usr/share/man/man1/vmgen.1 ]
[ -f usr/share/bash-completion/completions/vmgen ]
[ -f lib/udev/rules.d/70-vmgen.rules ]
cd - > /dev/null

run_make uninstall > /dev/null
left=$(find "$scratch/root" -type f -o -type l)
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
