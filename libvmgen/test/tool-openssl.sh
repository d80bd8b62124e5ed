# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# `vmgen doctor` tells whether OpenSSL, as it is configured, uses the provider, and if it
# does not, which line of which file is the reason: OpenSSL itself says nothing.
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

# reason VERDICT TEXT ADVICE: one of the reasons that were found for the last verdict
reason() {
	jq -e --arg verdict "$1" --arg text "$2" --arg advice "$3" 'any(.checks[];
		.check == "openssl.cnf" and .verdict == $verdict and (.found | contains($text)) and
		(.advice | contains($advice)))' "$scratch/out" > /dev/null ||
		die "no $1 '$2', but: $(jq -c '.checks[] | select(.check | startswith("openssl"))' "$scratch/out")"
}

no_reason() {
	! grep -q '"openssl.cnf"' "$scratch/out" || die "a reason, without any: $(cat "$scratch/out")"
}

# variant NAME SCRIPT: the provider's configuration, changed by sed; it says where
variant() {
	sed "$2" openssl/vmgen.cnf > "$scratch/$1"
	! cmp -s openssl/vmgen.cnf "$scratch/$1" || die "'$2' changes nothing"
	file=$scratch/$1
}

# line PATTERN: file and number of the line in the last variant
line() {
	echo "$file:$(grep -n "$1" "$file" | head -n 1 | cut -d: -f1): "
}

modules=$BUILD/openssl
: > "$scratch/empty.cnf"
verdict openssl/vmgen.cnf "$modules" ok 'use the provider vmgen'
has "$(cat "$scratch/check")" openssl/vmgen.cnf
no_reason
verdict "$scratch/empty.cnf" "$modules" problem 'do not come from the provider'
no_reason
verdict "$scratch/absent.cnf" "$modules" problem 'do not come from the provider'
reason problem "$scratch/absent.cnf: No such file" OPENSSL_CONF
verdict openssl/vmgen.cnf "$scratch" problem 'gives no random numbers'
reason problem "the provider's module $scratch/vmgen.so: No such file" libvmgen-openssl

# --- Files that are included ------------------------------------------------------

# including WHAT: a file of the system's with this in its last line
including() {
	file=$scratch/system.cnf
	cat > "$file" << END
openssl_conf = openssl_init	# as Debian has it
[openssl_init]
providers = provider_sect
[provider_sect]
default = default_sect
[default_sect]
activate = 1
$1
END
}

mkdir "$scratch/folder"
cp openssl/vmgen.cnf "$scratch/there.cnf"
cp openssl/vmgen.cnf "$scratch/folder/vmgen.conf"
for include in ".include $scratch/there.cnf" ".include=\"$scratch/there.cnf\"" ".include $scratch/folder" \
	".include \$ENV::scratch/there.cnf" ".include $scratch/the\\
re.cnf" ".pragma includedir:$scratch
.include there.cnf"; do
	including "$include"
	export scratch
	verdict "$file" "$modules" ok 'use the provider vmgen'
	no_reason
done

including ".include $scratch/nowhere.cnf"
verdict "$file" "$modules" problem 'do not come from the provider'
reason problem "$(line '^.include').include $scratch/nowhere.cnf: No such file" libvmgen-openssl
# The provider does not come from this one.
including ".include $scratch/there.cnf
.include $scratch/nowhere.cnf"
verdict "$file" "$modules" ok 'use the provider vmgen'
reason note "$scratch/nowhere.cnf: No such file" 'the path that it has'
# From this folder it works.
cp openssl/vmgen.cnf "$scratch/relative.cnf"
including ".include $(realpath --relative-to=. "$scratch")/relative.cnf"
verdict "$file" "$modules" ok 'use the provider vmgen'
reason problem "$(line '^.include')" 'absolute path'
including ".include relative.cnf"
verdict "$file" "$modules" problem 'do not come from the provider'
reason problem "$(line '^.include').include relative.cnf: No such file" 'the path that it has'
# For root it works.
chmod 0640 "$scratch/relative.cnf"
including ".include $scratch/relative.cnf"
verdict "$file" "$modules" ok 'use the provider vmgen'
reason problem "$(line '^.include')" 'chmod a+r'

# --- Sections and lines -----------------------------------------------------------

# broken SCRIPT WORD: the configuration, changed by sed, and what follows from it
broken() {
	variant broken.cnf "$1"
	verdict "$file" "$modules" problem "$2"
}

unguarded='do not come from the provider' none='gives no random numbers'
broken 's/^openssl_conf = .*/openssl_conf = missing/' "$unguarded"
reason problem "$(line missing)openssl_conf = missing: there is no section [missing]" vmgen.cnf
broken '/^openssl_conf = /d' "$unguarded"
reason problem 'section [default] has no line "openssl_conf = ..."' vmgen.cnf
broken '/^openssl_conf = /d; s/^\[openssl_init\]/&\nopenssl_conf = openssl_init/' "$unguarded"
reason problem "$(line '^openssl_conf')openssl_conf stands in section [openssl_init]" 'above the first section'
broken 's/^random = random_sect/random = missing/' "$unguarded"
reason problem "$(line missing)random = missing: there is no section [missing]" vmgen.cnf
broken '/^random = random_sect/d' "$unguarded"
reason problem "$(line '^\[openssl_init\]')section [openssl_init] has no line \"random = ...\"" vmgen.cnf
broken 's/^random = VMGEN.*/random = CTR-DRBG/' "$unguarded"
reason problem "$(line '^random = CTR')random = CTR-DRBG" VMGEN-CTR-DRBG
broken 's/^providers = .*/providers = missing/' "$none"
reason problem "$(line missing)providers = missing: there is no section [missing]" vmgen.cnf
broken '/^vmgen = vmgen_sect/d' "$none"
reason problem "$(line '^\[provider_sect\]')section [provider_sect] has no line \"vmgen = ...\"" vmgen.cnf
broken 's/^vmgen = .*/vmgen = missing/' "$none"
reason problem "$(line missing)vmgen = missing: there is no section [missing]" vmgen.cnf
broken '/^\[vmgen_sect\]/,$ { /^activate/d }' "$none"
reason problem "$(line '^vmgen =')the provider's section [vmgen_sect] has no line" 'activate = 1'
broken "s,^\\[vmgen_sect\\],&\\nmodule = $scratch/none.so," "$none"
reason problem "$(line none.so)the provider's module $scratch/none.so: No such file" libvmgen-openssl
# One that is there and does not load: OpenSSL's reason is told.
echo > "$scratch/none.so"
verdict "$file" "$modules" problem "$none"
reason problem "$(line none.so)the provider's module $scratch/none.so does not load: filename($scratch/none.so)" libvmgen1
# Two at once: each has its own line.
broken "/^random = random_sect/d; s,^\\[vmgen_sect\\],&\\nmodule = $scratch/no.so," "$unguarded"
reason problem "$(line no.so)the provider's module $scratch/no.so: No such file" libvmgen-openssl
reason problem 'has no line "random = ..."' vmgen.cnf

# Versions differ over it.
variant off.cnf '/^\[vmgen_sect\]/,$ s/^activate = 1/activate = 0/'
want=problem
[ "$(OPENSSL_CONF=$file OPENSSL_MODULES=$modules LD_LIBRARY_PATH=$BUILD openssl list -providers |
	grep -c '^  vmgen$')" = 0 ] || want=ok
verdict "$file" "$modules" $want ''
reason problem "$(line '^activate = 0')activate = 0" 'activate = 1'

# A configuration that is told to be wrong ends all programs.
variant loud.cnf 's/^openssl_conf = .*/config_diagnostics = 1\nopenssl_conf = missing/'
verdict "$file" "$modules" problem "$none"
reason problem "$(line missing)openssl_conf = missing" vmgen.cnf

# --- Without a counter ------------------------------------------------------------

# The provider has nothing to go by: it is not "ok", and no advice recommends it.
counter fault "$REMOVE"
advice() {
	jq -r .advice "$scratch/check"
}
verdict openssl/vmgen.cnf "$modules" problem 'no counter to go by'
has "$(advice)" 'counter first'
verdict "$scratch/empty.cnf" "$modules" problem "$unguarded"
has "$(advice)" 'counter first'
! grep -q 'libvmgen-openssl' "$scratch/out" || die "the provider as a cure: $(cat "$scratch/out")"
including ".include $scratch/nowhere.cnf"
verdict "$file" "$modules" problem "$unguarded"
reason note "$(line '^.include')" ''
# What has no random numbers at all is wrong without a counter, too.
verdict openssl/vmgen.cnf "$scratch" problem "$none"
reason problem "the provider's module" ''
counter fault "$RESTORE"

# --- Without an answer ------------------------------------------------------------

path=$scratch/nothing
verdict openssl/vmgen.cnf "$modules" note 'no openssl command'
jq -e '.complete == false' "$scratch/check" > /dev/null || die "complete: $(cat "$scratch/check")"
# An older one, which has no such list.
mkdir "$scratch/old"
printf '#!/bin/sh\necho "unknown option" >&2\nexit 1\n' > "$scratch/old/openssl"
chmod +x "$scratch/old/openssl"
path=$scratch/old
verdict openssl/vmgen.cnf "$modules" note 'does not tell'
# One of the three generators is not there.
printf '#!/bin/sh\nprintf "primary:\\n  X @ vmgen\\npublic:\\n  X @ vmgen\\nprivate:\\n"\n' > "$scratch/old/openssl"
verdict openssl/vmgen.cnf "$modules" problem "$none"
