# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# Tools that are too old on the older Debian: taken from the newer one's packages,
# unpacked into the cache, never installed.

# QEMU says what it needs: meson_version in its meson.build.
readonly MESON_NEEDED=1.5.0 MESON_SUITE=trixie

meson_version() {
	/usr/bin/python3 -c 'import mesonbuild.coredata as c; print(c.version)' 2>/dev/null || :
}

meson_is_new_enough() {
	local have
	have=$(meson_version)
	[[ -n $have ]] && dpkg --compare-versions "$have" ge "$MESON_NEEDED"
}

meson_unpack() {
	(cd "$1" && apt-get download meson)
	dpkg-deb --extract "$1"/meson_*.deb "$1/tree"
	[[ -d $1/tree/usr/lib/python3/dist-packages/mesonbuild ]]
}

# Make Python find a meson that QEMU accepts.
meson_provide() {
	local home=$VMGEN_CACHE/tools/meson-$MESON_SUITE scratch
	! meson_is_new_enough || return 0
	if [[ ! -d $home ]]; then
		lock "apt-$MESON_SUITE-deb" "fetch from $MESON_SUITE"
		apt_use deb "$MESON_SUITE"
		apt_update "$MESON_SUITE"
		mkdir -p "$VMGEN_CACHE/tools"
		scratch=$(mktemp -d "$VMGEN_CACHE/tools/.tmp.XXXXXX")
		# shellcheck disable=SC2034 # used elsewhere
		HINTS=("check the network and run the same command again")
		step "fetching meson" meson_unpack "$scratch"
		[[ -d $home ]] || mv -T -- "$scratch/tree" "$home"
		rm -rf -- "$scratch"
		unset APT_CONFIG
		unlock_last
	fi
	export PYTHONPATH=$home/usr/lib/python3/dist-packages${PYTHONPATH:+:$PYTHONPATH}
	meson_is_new_enough || die "the meson in $home does not work" "delete that folder and try again"
}
