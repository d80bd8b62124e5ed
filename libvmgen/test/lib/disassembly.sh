# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# For the tests that read what the compilers made: a scratch folder, and what it takes.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

case $(uname -m) in
x86_64) ;;
*) echo "reads x86-64 disassembly only"; exit 77 ;;
esac
command -v objdump > /dev/null || { echo "no objdump here"; exit 77; }
