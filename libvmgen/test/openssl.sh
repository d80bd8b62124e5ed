# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The OpenSSL provider builds and passes its own tests, where there is OpenSSL 3.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo 'int main(void) { return 0; }' > "$scratch/try.c"
$CC -include openssl/core_dispatch.h -o "$scratch/try" "$scratch/try.c" -lcrypto 2> /dev/null ||
	{ echo "no OpenSSL 3 here (libssl-dev)"; exit 77; }
"$MAKE" -s --no-print-directory -C openssl BUILD="$BUILD" UAPI="$UAPI" CC="$CC" check
