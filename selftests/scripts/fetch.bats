#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# scripts/fetch where the sources cannot be had.

load helpers

setup() {
	make_copy
	mkdir "$COPY"/{kernel,qemu-device,bin}
	cp "$BATS_TEST_DIRNAME/../../kernel/base" "$COPY/kernel"
	cp "$BATS_TEST_DIRNAME/../../qemu-device/base" "$COPY/qemu-device"
}

teardown() {
	drop_copy
}

# Nothing that looks like a source, whole or half.
nothing_fetched() {
	[[ -z $(find "$VMGEN_CACHE/src" -mindepth 2 -not -name '.tmp.*' 2> /dev/null) ]]
}

@test "fetch: without a network, it says what to do and leaves nothing" {
	VMGEN_MIRROR=http://127.0.0.1:9/debian run -1 "$COPY/scripts/fetch" kernel
	has 'is this machine connected to the network'
	has 'then run the same command again'
	nothing_fetched
}

@test "fetch: what a killed run left is not taken for a source" {
	mkdir -p "$VMGEN_CACHE/src/kernel-7.3/.tmp.killed/tree"
	touch "$VMGEN_CACHE/src/kernel-7.3/.tmp.killed/tree/Makefile"
	VMGEN_MIRROR=http://127.0.0.1:9/debian run -1 "$COPY/scripts/fetch" kernel 7.3
	nothing_fetched
	[[ ! -e $VMGEN_CACHE/src/kernel-7.3/.tmp.killed ]]
}

# debian_has TEXT: what apt-cache says of a Debian whose lists can be read, and no more
debian_has() {
	cat > "$COPY/bin/apt-get" <<-'END'
		#!/bin/sh
		[ "$1" = update ] || { echo '404  Not Found'; exit 100; }
	END
	printf '#!/bin/sh\ncat <<"END"\n%s\nEND\n' "$1" > "$COPY/bin/apt-cache"
	chmod +x "$COPY"/bin/*
	PATH=$COPY/bin:$PATH
}

@test "fetch: a QEMU that is newer than all bases is said" {
	debian_has ' qemu | 1:9.9.0+ds-1 | x
 qemu | 1:99.1.2+ds-1 | x'
	run -0 --separate-stderr "$COPY/scripts/fetch" --newer qemu
	[[ $output = 99.1 ]]
	run -4 "$COPY/scripts/fetch" qemu 10.0
	has "NOTE: Debian's trixie has qemu 99.1"
}

@test "fetch: so is a kernel" {
	debian_has 'linux-source-6.12
linux-source-99.1
linux-source-99.2-rt'
	run -0 --separate-stderr "$COPY/scripts/fetch" --newer kernel
	[[ $output = 99.1 ]]
}

@test "fetch: a version that is in the lists and not on the mirror cannot be had" {
	debian_has ' qemu | 1:10.0.99+ds-1 | x'
	run -4 "$COPY/scripts/fetch" qemu 10.0
	has 'its lists name 1:10.0.99+ds-1, but the files are not there'
	nothing_fetched
}

@test "fetch: nothing is said of releases that are older than a base" {
	debian_has ' qemu | 1:9.9.0+ds-1 | x'
	run -0 --separate-stderr "$COPY/scripts/fetch" --newer qemu
	[[ -z $output ]]
	run -4 "$COPY/scripts/fetch" qemu 10.0
	[[ $output != *NOTE* ]]
}

@test "fetch: an unknown base is refused with the known ones" {
	run -2 "$COPY/scripts/fetch" kernel 1.0
	has 'known: 7.3 6.12'
}

@test "fetch: a cache that nobody can write to is refused" {
	VMGEN_CACHE=/proc/vmgen run -1 "$COPY/scripts/fetch" kernel
	has 'set VMGEN_CACHE to a folder that you can write to'
}
