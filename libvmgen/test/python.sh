# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The Python binding: its structures are those of the header, and its own tests pass
# with the shared library.
set -eu

python3 -c 'import ctypes, unittest' 2> /dev/null || { echo "no python3 with ctypes here"; exit 77; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export LD_LIBRARY_PATH="$BUILD" PYTHONDONTWRITEBYTECODE=1

$CC -Iinclude -o "$scratch/layout" bindings/layout.c
"$scratch/layout" > "$scratch/c"
cd bindings/python
python3 - > "$scratch/python" << 'PYTHON'
import ctypes
from vmgen import _lib

for name, kind in ("vmgen_guard", _lib.GuardStruct), ("struct vmgen_info", _lib.InfoStruct):
    print(name, ctypes.sizeof(kind))
    for field, _ in kind._fields_:
        print(field, getattr(kind, field).offset, getattr(kind, field).size)
PYTHON
diff -u "$scratch/c" "$scratch/python"

status=0
python3 -W error -m unittest discover --verbose --start-directory tests \
	--top-level-directory . > "$scratch/said" 2>&1 || status=$?
cat "$scratch/said"
# What unittest skips is said as TAP, which test/run passes on.
sed -n "s/^\(.*\) \.\.\. skipped ['\"]\(.*\)['\"]\$/ok - \1 # SKIP \2/p" "$scratch/said"
exit $status
