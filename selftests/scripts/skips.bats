#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# What a test of the library could not try is seen from outside: by its exit status, or as
# a skip beside its verdict.

load helpers

LIBVMGEN=$BATS_TEST_DIRNAME/../../libvmgen

setup() {
	FULL_PATH=$PATH
	SCRATCH=$(mktemp -d /tmp/vmgen-scripts.XXXXXX)
	export BUILD=$SCRATCH/build UAPI=$BATS_TEST_DIRNAME/../../kernel/include/uapi CC=gcc
	mkdir "$BUILD" "$SCRATCH/bin"
}

teardown() {
	PATH=$FULL_PATH
	rm -rf -- "$SCRATCH"
}

# path_without TOOL...: a PATH that has all that is installed but those
path_without() {
	local dir tool
	for dir in /usr/local/bin /usr/bin /bin; do
		find -L "$dir" -maxdepth 1 -type f -executable -exec ln -sft "$SCRATCH/bin" {} + || :
	done
	for tool; do
		rm -f "$SCRATCH/bin/$tool"
	done
	PATH=$SCRATCH/bin
}

# counts COMMAND...: "passed failed skipped" of its TAP
counts() {
	"$@" < /dev/null | awk -v part=case -v counts="$SCRATCH/counts" \
		-f "$BATS_TEST_DIRNAME/../../scripts/lib/tap-verdict.awk" || :
	cat "$SCRATCH/counts"
}

# program NAME SHELL-COMMANDS
program() {
	printf '#!/bin/sh\n%s\n' "$2" > "$SCRATCH/$1"
	chmod +x "$SCRATCH/$1"
}

# script NAME: as the Makefile runs it
script() {
	(cd "$LIBVMGEN" && sh "test/$1.sh")
}

@test "skips: what reads compilers' code is a skip without a compiler" {
	path_without gcc clang
	for name in barriers window; do
		run -77 script "$name"
		has 'none of these is here: gcc clang'
	done
}

@test "skips: what reads compilers' code says which compiler it has not read" {
	command -v gcc || skip "no gcc here"
	path_without clang
	for name in barriers window; do
		run -0 script "$name"
		has 'ok - clang # SKIP no clang here'
	done
}

@test "skips: the headers are a skip without a compiler, and in part without some" {
	path_without gcc clang g++ clang++
	run -77 script headers
	has 'none of these is here: gcc clang g++ clang++'
}

@test "skips: the headers say which compilers have not read them" {
	command -v gcc || skip "no gcc here"
	path_without clang g++ clang++
	run -0 script headers
	has 'ok - clang # SKIP no clang here'
	has 'ok - g++ # SKIP no g++ here'
	has 'ok - clang++ # SKIP no clang++ here'
}

@test "skips: the manual says that nobody has read its source" {
	path_without mandoc
	run -0 script manual
	has 'ok - mandoc # SKIP no mandoc here'
}

@test "skips: a part that a test has left out counts beside its verdict" {
	program part 'echo "ok - clang # SKIP no clang here"'
	program suite 'echo "ok 1 - a"; echo "ok 2 - b # SKIP no b"; echo "1..2"'
	program whole 'echo "1..0 # SKIP no library"'
	program none 'echo "no device"; exit 77'
	run counts "$LIBVMGEN/test/run" "$SCRATCH"/{part,suite,whole,none}
	has 'part: clang # SKIP no clang here'
	has 'suite: b # SKIP no b'
	has 'whole: all of a part # SKIP no library'
	[[ ${lines[-1]} == '3 0 4' ]]
}

@test "skips: the matrix counts each test of each build" {
	program make 'case "$*" in
		*gcc-asan*) echo "ok 1 - a"; echo "not ok 2 - b"; echo "1..2"; exit 1 ;;
		esac
		echo "ok 1 - a"; echo "ok 2 - b # SKIP no b"; echo "1..2"
		echo "1..0 # SKIP no uring"; echo "# openssl: skipped, no libcrypto"'
	path_without clang valgrind
	MAKE=$SCRATCH/make run counts "$LIBVMGEN/test/matrix"
	has '- gcc: a'
	has '- gcc: b # SKIP no b'
	has '- gcc: all of a part # SKIP no uring'
	has '- gcc: all of a part # SKIP no libcrypto'
	has '- clang # SKIP it is not here'
	has '- valgrind # SKIP it is not here'
	grep -q 'not ok [0-9]* - gcc-asan-ubsan: b' <<< "$output"
	[[ ${lines[-1]} =~ ^[0-9]+\ 2\ [0-9]+$ ]]
}
