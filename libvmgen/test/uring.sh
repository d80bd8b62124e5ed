# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# libvmgen-uring builds and passes its own tests, where there is liburing.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo 'int main(void) { return 0; }' > "$scratch/try.c"
$CC -include liburing.h -o "$scratch/try" "$scratch/try.c" -luring 2> /dev/null ||
	{ echo "no liburing here (liburing-dev)"; exit 77; }
"$MAKE" -s --no-print-directory -C uring BUILD="$BUILD" UAPI="$UAPI" CC="$CC" check
