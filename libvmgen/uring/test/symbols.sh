# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The shared library exports what the map and the header say and nothing else, needs
# what it uses, and each function has a page.
set -eu
# shellcheck source=libvmgen/test/lib/parts.sh
. ../test/lib/parts.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

so=$BUILD/uring/libvmgen-uring.so
sed -n 's/^\t\t\(vmgen_[a-z_]*\);$/\1/p' vmgen-uring.map | sort > "$scratch/map"
[ -s "$scratch/map" ]
nm -D --defined-only "$so" | awk '$2 != "A" { print $3 }' | sed 's/@@VMGEN_URING_1\.0$//' |
	sort > "$scratch/so"
diff -u "$scratch/map" "$scratch/so"
sed -n 's/^VMGEN_API .*[ *]\(vmgen_[a-z_]*\)(.*/\1/p' vmgen-uring.h | sort > "$scratch/header"
diff -u "$scratch/map" "$scratch/header"
readelf -d "$so" | grep -q 'NEEDED.*liburing\.so'
readelf -d "$so" | grep -q 'NEEDED.*libvmgen\.so\.1'

# The header stands alone, in C and where there is a compiler for it in C++.
for lang in 'c -std=gnu99' 'c -std=gnu17' 'c++ -std=gnu++11' 'c++ -std=gnu++17'; do
	echo 'int main() { return 0; }' > "$scratch/empty.c"
	# shellcheck disable=SC2086 # a language and its option
	$CC -fsyntax-only -x $lang "$scratch/empty.c" 2> /dev/null ||
		{ skip_part "$lang" "$CC compiles no $lang here"; continue; }
	# shellcheck disable=SC2086
	echo '#include <vmgen-uring.h>' |
		$CC -Wall -Wextra -Werror -I. -I../include -fsyntax-only -x $lang -
done

while read -r function; do
	page=man/$function.3
	[ -f "$page" ] || { echo "no page for $function"; exit 1; }
	grep -q "^\.Fn $function" "$page" || { echo "$page: no synopsis of $function"; exit 1; }
	for section in 'RETURN VALUES' GUARANTEE SAFETY ERRORS 'NOT GUARANTEED' 'SEE ALSO'; do
		grep -q "^\.Sh $section\$" "$page" || { echo "$page: no $section"; exit 1; }
	done
done < "$scratch/map"
here mandoc || exit 0
mandoc -Tlint -Wwarning man/*.3
