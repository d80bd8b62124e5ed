# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The stepped test at each level of gcc.
set -eu
# shellcheck source=libvmgen/test/lib/stepped.sh
. test/lib/stepped.sh

need_compiler gcc
step_levels gcc
