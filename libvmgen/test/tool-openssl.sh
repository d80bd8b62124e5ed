# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# `vmgen doctor` tells whether OpenSSL, as it is configured, uses the provider.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh
need jq
need openssl
echo 'int main(void) { return 0; }' > "$scratch/try.c"
$CC -include openssl/core_dispatch.h -o "$scratch/try" "$scratch/try.c" -lcrypto 2> /dev/null ||
	{ echo "no OpenSSL 3 here (libssl-dev)"; exit 77; }
"$MAKE" -s --no-print-directory -C openssl BUILD="$BUILD" UAPI="$UAPI" CC="$CC" all

# verdict CONFIGURATION MODULES WANT WORD
verdict() {
	export OPENSSL_CONF="$1" OPENSSL_MODULES="$2"
	(PATH=${path:-$PATH} && vmgen doctor --json) > "$scratch/out" || :
	jq -e '.checks[] | select(.check == "openssl")' "$scratch/out" > "$scratch/check"
	[ "$(jq -r .verdict "$scratch/check")" = "$3" ] || die "with $1, not $3: $(cat "$scratch/check")"
	has "$(cat "$scratch/check")" "$4"
}

: > "$scratch/empty.cnf"
verdict openssl/vmgen.cnf "$BUILD/openssl" ok 'use the provider vmgen'
verdict "$scratch/empty.cnf" "$BUILD/openssl" problem 'do not come from the provider'
verdict openssl/vmgen.cnf "$scratch" problem 'gives no random numbers'
path=$scratch/nothing
verdict openssl/vmgen.cnf "$BUILD/openssl" note 'no openssl command'
