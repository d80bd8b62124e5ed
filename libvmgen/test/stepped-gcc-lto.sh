# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The stepped test where the linker of gcc optimises: library and section are one.
set -eu
# shellcheck source=libvmgen/test/lib/stepped.sh
. test/lib/stepped.sh

need_compiler gcc
need_lto gcc
step gcc -O2 -flto
