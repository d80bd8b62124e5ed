#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The mutants of the library change what is there.  All of them take an hour to be tried,
# so one that was left behind would be noticed late; "patches check" does the same for
# those of the kernel and of QEMU.
# shellcheck disable=SC2016 # what is in single quotes is for make

load helpers

ROOT=$BATS_TEST_DIRNAME/../..

teardown() {
	[[ -z ${COPY:-} ]] || drop_copy
}

@test "mutants of the library apply" {
	local patch name left=

	for patch in "$ROOT"/selftests/mutants/{libvmgen,openssl}/*.patch; do
		name=${patch#"$ROOT/selftests/mutants/"}
		patch --dry-run --force --silent -p1 -d "$ROOT/libvmgen" < "$patch" ||
			left+=" ${name%.patch}"
	done
	echo "they do not apply:$left"
	[[ -z $left ]]
}

# A library of one file, whose test waits as long as the file says: nothing, or for ever.
make_library() {
	mkdir -p "$COPY"/libvmgen/{test,src} "$COPY/selftests/mutants/libvmgen" "$COPY/kernel/include/uapi"
	cp -r "$ROOT/selftests/harness" "$COPY/selftests"
	echo 'exit 0' > "$COPY/libvmgen/src/answer"
	printf '$(BUILD)/test/answers:\n\tmkdir -p $(@D)\n\t(echo "#!/bin/sh"; cat src/answer) > $@\n\tchmod +x $@\n' \
		> "$COPY/libvmgen/Makefile"
	export VMGEN_KERNEL=/nonexistent VMGEN_QEMU=/nonexistent VMGEN_INITRAMFS=/nonexistent
	export VMGEN_MUTANT_PATIENCE=2
}

# mutant NAME COMMAND [HEADER]: the answer becomes the command
mutant() {
	printf '%s\n' 'Breaks: G7' 'Test: libvmgen answers' ${3:+"$3"} "Why: $1" '' \
		'--- a/src/answer' '+++ b/src/answer' '@@ -1 +1 @@' '-exit 0' "+$2" \
		> "$COPY/selftests/mutants/libvmgen/$1.patch"
}

@test "mutants: a test that hangs has not failed, but where the patch says why" {
	make_copy
	make_library
	mutant caught 'exit 1'
	mutant hangs 'exec tail -f /dev/null'
	mutant hangs-as-it-must 'exec tail -f /dev/null' 'Hangs: the answer never comes'
	mutant survives 'exit 0 # still'
	run -1 "$COPY/selftests/harness/run-mutants"
	grep '^ok [0-9]* - mutant libvmgen/caught ' <<< "$output"
	grep '^not ok [0-9]* - mutant libvmgen/hangs .*came to no end within 2 seconds' <<< "$output"
	grep '^ok [0-9]* - mutant libvmgen/hangs-as-it-must ' <<< "$output"
	grep '^not ok [0-9]* - mutant libvmgen/survives .*the test passes with it' <<< "$output"
	has '1..4'
}

@test "mutants: the list has the names that are reported" {
	make_copy
	make_library
	mutant caught 'exit 1'
	run -0 --separate-stderr "$COPY/selftests/harness/run-mutants"
	[[ $output == *"ok 1 - $("$COPY/selftests/harness/run-mutants" --list)"$'\n'* ]]
}
