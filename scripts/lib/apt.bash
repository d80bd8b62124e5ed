# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# A private apt configuration below the cache: packages of other Debian suites can
# be had with it, checked against Debian's keys, as any user and without a change
# to the system.  The mirror and proxy settings are those of the machine.

APT_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# What the machine's own sources say, in whichever format: "URI release component".
apt_system_sources() {
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
		'Created-By: Packages' 2>/dev/null || :
}

# The URI that serves a suite.  Third-party sources use the same release names,
# so a path that ends in /debian is preferred.
apt_mirror() {
	local suite=$1 found codename
	if [[ $suite = *-security ]]; then
		found=$(apt_system_sources | awk '$2 ~ /-security$/ && $3 == "main" { print $1; exit }')
		echo "${VMGEN_SECURITY_MIRROR:-${found:-http://deb.debian.org/debian-security}}"
		return
	fi
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	found=$(apt_system_sources | awk -v codename="$codename" '
		$3 != "main" || ($2 != codename && $2 !~ /^(stable|testing|unstable|sid)$/) { next }
		$1 ~ /\/debian\/?$/ || $1 ~ /^mirror\+file:.*\/debian\.list/ { best = $1; exit }
		!any { any = $1 }
		END { print best ? best : any }')
	echo "${VMGEN_MIRROR:-${found:-http://deb.debian.org/debian}}"
}

# The machine's proxy, certificates and clock tolerance hold for us as well; its
# hooks and sources do not.
apt_network_settings() {
	apt-config dump |
		grep -E '^Acquire::(http|https|tor|ForceIPv|Check-|Max-FutureTime)' || :
}

apt_write_config() {
	local root=$1
	cat <<-END
		Dir::State "$root/state";
		Dir::State::status "$root/status";
		Dir::Cache "$root/cache";
		Dir::Etc::SourceList "$root/sources.list";
		Dir::Etc::SourceParts "$root/none";
		Dir::Etc::Main "/dev/null";
		Dir::Etc::Parts "$root/none";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "$root/none";
		APT::Sandbox::User "root";
		APT::Update::Error-Mode "any";
		APT::Install-Recommends "false";
		Acquire::Languages "none";
		Acquire::Retries "3";
		Acquire::http::Timeout "30";
		Acquire::https::Timeout "30";
	END
	apt_network_settings
}

apt_write_sources() {
	local type=$1 suite=$2 options
	options="[arch=$(dpkg --print-architecture) signed-by=$APT_KEYRING]"
	echo "$type $options $(apt_mirror "$suite") $suite main"
	# Point releases fall behind security updates, and a security update may be the
	# only version left.  Other suites have no security updates of their own.
	[[ $suite = *-* || $suite = sid ]] ||
		echo "$type $options $(apt_mirror "$suite-security") $suite-security main"
}

# apt_use deb|deb-src SUITE: all following apt commands work on that suite alone.
# The caller holds the lock "apt-SUITE-TYPE".
apt_use() {
	local type=$1 suite=$2 root
	[[ -r $APT_KEYRING ]] ||
		die "Debian's archive keys are missing ($APT_KEYRING)" \
			"run scripts/setup, or install the package debian-archive-keyring"
	root=$VMGEN_CACHE/apt/$suite-$type
	mkdir -p "$root"/{none,state/lists/partial,cache/archives/partial}
	: >"$root/status"
	apt_write_sources "$type" "$suite" >"$root/sources.list"
	apt_write_config "$root" >"$root/apt.conf"
	export APT_CONFIG=$root/apt.conf
}

apt_update() {
	# shellcheck disable=SC2034 # used elsewhere
	HINTS=("the package lists of $1 could not be read from $(apt_mirror "$1")"
		"is this machine connected to the network, or its proxy set in /etc/apt/apt.conf.d?"
		"VMGEN_MIRROR=http://host/debian names another mirror; then run the same command again")
	step "reading the package lists of $1" apt-get update
}

# All versions of a package that the suite in use has, newest first.
apt_versions() {
	apt-cache madison "$1" | awk -F ' *[|] *' '{ print $2 }' | awk '!seen[$0]++'
}
