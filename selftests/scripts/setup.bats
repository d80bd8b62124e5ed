#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# scripts/setup on a machine that lacks something: the real dpkg and apt, told of a
# package database from which one package is gone.

load helpers

setup() {
	make_copy
	# dpkg and apt both take the copy for the truth.
	DPKG_ADMINDIR=$COPY/dpkg
	mkdir -p "$DPKG_ADMINDIR"/{updates,info,triggers} "$COPY"/{lists/partial,archives/partial}
	cp /var/lib/dpkg/status "$DPKG_ADMINDIR"
	export DPKG_ADMINDIR
}

teardown() {
	drop_copy
}

lose() {
	awk -v RS= -v ORS='\n\n' -v lost="Package: $1" '
		substr($0, 1, length(lost) + 1) != lost "\n"' /var/lib/dpkg/status > "$DPKG_ADMINDIR/status"
}

as_user() {
	if [[ $EUID -eq 0 ]]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

# Without a network: nothing listens there.
no_network() {
	export APT_CONFIG=$COPY/apt.conf
	echo 'deb http://127.0.0.1:9/debian stable main' > "$COPY/sources.list"
	cat > "$APT_CONFIG" <<-END
		Dir::State "$COPY";
		Dir::State::status "$DPKG_ADMINDIR/status";
		Dir::Cache "$COPY";
		Dir::Etc::SourceList "$COPY/sources.list";
		Dir::Etc::SourceParts "/nonexistent";
		Acquire::Retries "0";
		Acquire::http::Proxy "DIRECT";
	END
}

@test "setup: says nothing when nothing is missing" {
	run as_user "$COPY/scripts/setup" test
	[[ $status -eq 0 && -z $output ]]
}

@test "setup: a user gets the command that installs what is missing, and a failure" {
	lose busybox-static
	run -1 as_user "$COPY/scripts/setup" run
	has 'these packages are missing: busybox-static'
	has '    apt-get update && apt-get install --no-install-recommends busybox-static'
}

@test "setup: a purpose asks for no more than it needs" {
	lose bats
	run as_user "$COPY/scripts/setup" run
	[[ $status -eq 0 && -z $output ]]
	run -1 as_user "$COPY/scripts/setup" test
	has 'these packages are missing: bats'
}

@test "setup: root without a network is told what to do" {
	[[ $EUID -eq 0 ]] || skip "needs root"
	lose busybox-static
	no_network
	run -1 "$COPY/scripts/setup" run
	has 'is this machine connected to the network'
	has "once 'apt-get update' works, run the same command again"
}

@test "setup: an unknown purpose is refused" {
	run -2 as_user "$COPY/scripts/setup" everything
	has "unknown purpose 'everything'"
}
