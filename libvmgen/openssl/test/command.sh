# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The openssl command, which knows nothing of the provider: a configuration file is all
# it takes.  What is wrong with that file is told, and no random bytes are handed out.
set -eu

export LD_LIBRARY_PATH="$BUILD" OPENSSL_MODULES="$BUILD/openssl" OPENSSL_CONF="$CONFIG"
command -v openssl > /dev/null || { echo "the openssl command is not here"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "$*" >&2
	exit 1
}

# with_value VALUE: the configuration, with "require = VALUE"
with_value() {
	sed "s/^require = .*/require = $1/" "$CONFIG" > "$dir/cnf"
	grep -q "^require = $1\$" "$dir/cnf" || fail "$CONFIG has no line to replace"
}

# refuses TEXT: no random bytes, and the reason
refuses() {
	if openssl rand -hex 16 > "$dir/out" 2> "$dir/err"; then
		fail "bytes were drawn, although: $1"
	fi
	[ ! -s "$dir/out" ] || fail "bytes were written, although: $1"
	grep -qF -- "$1" "$dir/err" || fail "not told: $1; but: $(cat "$dir/err")"
}

openssl list -random-generators | grep -q '^ *VMGEN-CTR-DRBG @ vmgen$' || fail "not listed"
[ "$(openssl list -random-instances | grep -c 'VMGEN-CTR-DRBG @ vmgen$')" = 3 ] ||
	fail "not all three DRBGs are guarded: $(openssl list -random-instances)"
[ "$(openssl rand -hex 16 | grep -cE '^[0-9a-f]{32}$')" = 1 ] || fail "no random bytes"
[ "$(OPENSSL_CONF=/dev/null openssl list -random-instances | grep -c 'CTR-DRBG @ default$')" = 3 ] ||
	fail "the other generator is not the usual one"

# Included at the end of a file of the system's, it adds to what that says.
cat > "$dir/cnf" << END
openssl_conf = openssl_init
[openssl_init]
providers = provider_sect
[provider_sect]
base = base_sect
[base_sect]
activate = 1
.include $CONFIG
END
OPENSSL_CONF=$dir/cnf openssl list -providers > "$dir/out"
[ "$(grep -cE '^  (base|default|vmgen)$' "$dir/out")" = 3 ] || fail "not all providers: $(cat "$dir/out")"
[ "$(OPENSSL_CONF=$dir/cnf openssl list -random-instances | grep -c 'VMGEN-CTR-DRBG @ vmgen$')" = 3 ] ||
	fail "an included configuration does not guard all DRBGs"

with_value something
OPENSSL_CONF=$dir/cnf refuses 'require = something'
OPENSSL_MODULES=$dir refuses 'Algorithm (VMGEN-CTR-DRBG'
if [ ! -e /dev/vmgenctr ] && [ ! -e /dev/vmclock0 ] && [ ! -e /dev/sysgenid ]; then
	with_value counter
	OPENSSL_CONF=$dir/cnf refuses 'no generation counter'
	with_value ready
	OPENSSL_CONF=$dir/cnf refuses 'no generation counter'
fi
