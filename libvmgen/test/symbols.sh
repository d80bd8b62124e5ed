# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The shared library exports what the map says and nothing else, each under the one
# version, and the static library leaks no name without the prefix.
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

sed -n 's/^\t\t\(vmgen_[a-z_]*\);$/\1@@VMGEN_1.0/p' libvmgen.map | sort > "$scratch/map"
nm -D --defined-only "$BUILD/libvmgen.so" | awk '$2 != "A" { print $3 }' | sort > "$scratch/so"
[ -s "$scratch/map" ]
diff -u "$scratch/map" "$scratch/so"

# Every function that the headers declare is there.
tr '\n' ' ' < include/vmgen.h | cat - include/vmgen-test.h |
	grep -Eo 'VMGEN_(API|INLINE)[^;={]*[ *]vmgen_[a-z_]*\(' |
	sed 's/.*[ *]\(vmgen_[a-z_]*\)($/\1/' | sort -u > "$scratch/declared"
sed 's/@@.*//' "$scratch/so" | grep -v '^vmgen_never$' > "$scratch/functions"
diff -u "$scratch/declared" "$scratch/functions"

if nm -g --defined-only "$BUILD/libvmgen.a" | awk 'NF == 3 { print $3 }' | grep -v '^vmgen'; then
	echo "exported without the prefix"
	exit 1
fi
