# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# Every public function has a page, each page says what it guarantees, what it does
# not, and how safe it is, and the formatter has nothing to complain of.
set -eu

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

command -v mandoc > /dev/null || exit 0
mandoc -Tlint -Wwarning man/*.3
