# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# Every public function has a page, each page says what it guarantees, what it does
# not, and how safe it is, examples that are whole compile, and the formatter has
# nothing to complain of.
set -eu
# shellcheck source=libvmgen/test/lib/parts.sh
. test/lib/parts.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

sed -n 's/^\t\t\(vmgen_[a-z_]*\);$/\1/p' libvmgen.map |
grep -v -e '_slow$' -e '^vmgen_never$' |
while read -r function; do
	page=man/$function.3
	[ -f "$page" ] || { echo "no page for $function"; exit 1; }
	grep -q "^\.Fn $function" "$page" || { echo "$page: no synopsis of $function"; exit 1; }
	for section in 'RETURN VALUES' GUARANTEE SAFETY ERRORS 'NOT GUARANTEED' 'SEE ALSO'; do
		grep -q "^\.Sh $section\$" "$page" || { echo "$page: no $section"; exit 1; }
	done
done

# What is in the pages is not escaped, hence C as it stands.
n=0
for page in man/*.3; do
	[ ! -L "$page" ] || continue
	awk '/^\.Sh/ { on = $2 == "EXAMPLES" } /^\.Ed/ { on = 0 }
		on && !/^\./' "$page" > "$scratch/example.c"
	grep -q '^#include' "$scratch/example.c" || continue
	$CC -std=c11 -D_GNU_SOURCE -Wall -Wextra -pedantic -Werror -Iinclude -c \
		-o "$scratch/example.o" "$scratch/example.c" || { echo "$page"; exit 1; }
	n=$((n + 1))
done
[ $n -ge 5 ] || { echo "only $n examples"; exit 1; }

# What is above was tried, so this is a part.
here mandoc || exit 0
mandoc -Tlint -Wwarning man/*.3
