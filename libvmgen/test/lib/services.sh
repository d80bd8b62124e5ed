# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# Debian's own programs and unit files, without installing a service.

# services PACKAGE...: set SERVICES to a folder that has the files of the packages.  In
# a source tarball, which has nothing that downloads, that is this machine.
services() {
	SERVICES=
	[ -n "${FETCH:-}" ] || return 0
	SERVICES=$("$FETCH" "$@") || { echo "these packages cannot be downloaded: $*"; exit 77; }
}

# can_run PROGRAM: skip unless it is there, with all its libraries
can_run() {
	libraries=$SERVICES/usr/lib/$(${CC:-cc} -print-multiarch)
	LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries:$libraries/systemd
	export LD_LIBRARY_PATH
	[ -x "$1" ] || { echo "$1 is not here"; exit 77; }
	! ldd "$1" | grep 'not found' || { echo "$1 lacks a library"; exit 77; }
}
