#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# scripts/build interrupted, failing, and run twice at once.  The tree that it builds
# is a kernel only in name, which waits in the middle of the build for as long as the
# test wants.

load helpers

setup() {
	make_copy
	mkdir -p "$COPY/kernel/patches" "$COPY/selftests/vmgenctr" "$VMGEN_CACHE/src/toy"
	echo 'toy linux-source-toy 1-1 sid' > "$COPY/kernel/base"
	echo 'CONFIG_TOY=y' > "$COPY/Kconfig.frag"
	: > "$COPY/selftests/vmgenctr/config"
	make_tree "$VMGEN_CACHE/src/kernel-toy/1-1"
	export GATE=$COPY/gate STARTED=$COPY/started
}

teardown() {
	# Whoever still waits, ends.
	rm -f -- "$GATE"
	drop_copy
}

# Builds count themselves; each waits while the gate is there.
make_tree() {
	mkdir -p "$1/tools/testing/selftests" "$1/scripts" "$1"/{kernel,arch/x86}/configs \
		"$1/include/uapi/linux"
	cat > "$1/Makefile" <<-'END'
		.RECIPEPREFIX = >
		allnoconfig:
		> @echo configuration >> $(STARTED).configured
		> @mkdir -p $(O) && : > $(O)/$(KCONFIG_CONFIG)
		olddefconfig:
		> @:
		bzImage:
		> @echo build >> $(STARTED)
		> @mkdir -p $(O)/arch/x86/boot
		> @echo half > $(O)/arch/x86/boot/bzImage
		> @while test -e $(GATE); do sleep 0.1; done
		> @! test -e $(GATE).fail
		> @echo whole > $(O)/arch/x86/boot/bzImage
		> @touch $(O)/System.map
	END
	echo 'config TOY' > "$1/Kconfig"
	: > "$1/kernel/configs/tiny.config"
	: > "$1/arch/x86/configs/tiny.config"
	echo 'int main(void) { return 0; }' > "$1/scripts/unifdef.c"
	echo "cp -- \"\$1\" \"\$2\"" > "$1/scripts/headers_install.sh"
	: > "$1/include/uapi/linux/vmgenctr.h"
	printf 'install:\n\t@mkdir -p %s\n' "\$(INSTALL_PATH)" > "$1/tools/testing/selftests/Makefile"
}

# Descriptors of bats are not for it, so that nothing outlives a failed test unseen.
build() {
	"$COPY/scripts/build" kernel toy 3>&-
}

builds() {
	[[ ! -e $STARTED ]] || wc -l < "$STARTED"
}

has_built() {
	[[ $(builds) -ge $1 ]]
}

is_whole() {
	[[ $(cat "$1/bzImage") == whole ]]
}

store_is_empty() {
	[[ -z $(ls -A "$VMGEN_CACHE/store") ]]
}

has_ended() {
	[[ ! -e /proc/$1 ]] || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"
}

# begin NAME: a build that waits in the middle; its process is PID.
begin() {
	touch "$GATE"
	setsid "$COPY/scripts/build" kernel toy > "$COPY/out.$1" 2> "$COPY/err.$1" 3>&- &
	PID=$!
}

@test "build: a second run takes what the first has built" {
	first=$(build)
	is_whole "$first"
	[[ $(build) == "$first" ]]
	[[ $(builds) -eq 1 ]]
}

# one_line_series NAME FILE
one_line_series() {
	mkdir -p "$COPY/kernel/patches/$1"
	printf '%s\n' 'From: a <a@b>' "Subject: [PATCH] $2" '' "diff --git a/$2 b/$2" 'new file mode 100644' \
		'--- /dev/null' "+++ b/$2" '@@ -0,0 +1 @@' '+a' > "$COPY/kernel/patches/$1/0001-$2.patch"
	echo "0001-$2.patch" > "$COPY/kernel/patches/$1/series"
}

# source_has FILE...: the last build's source has those of the series, and no other
source_has() {
	find "$VMGEN_CACHE/work/kernel-toy/src" -maxdepth 1 -name '*-file' -printf '%f\n' | sort |
		diff - <(printf '%s\n' "$@")
}

@test "build: all series are applied, and their patches in their order decide what is built" {
	one_line_series first a-file
	one_line_series second b-file
	printf '%s\n' first second > "$COPY/kernel/patches/order"
	both=$(build)
	source_has a-file b-file
	echo first > "$COPY/kernel/patches/order"
	[[ $(build) != "$both" ]]
	source_has a-file
	printf '%s\n' second first > "$COPY/kernel/patches/order"
	[[ $(build) != "$both" ]]
	printf '%s\n' first second > "$COPY/kernel/patches/order"
	[[ $(build) == "$both" ]]
	mv "$COPY"/kernel/patches/{second,last}
	printf '%s\n' first last > "$COPY/kernel/patches/order"
	[[ $(build) == "$both" && $(builds) -eq 3 ]]
}

@test "build: interrupted, it says so, leaves nothing and starts again" {
	begin one
	one=$PID
	eventually has_built 1
	kill -TERM -- "-$one"
	eventually has_ended "$one"
	status=0
	wait "$one" || status=$?
	[[ $status -eq 143 ]]
	run cat "$COPY/err.one"
	has 'interrupted; run the same command again to continue'
	store_is_empty
	rm "$GATE"
	is_whole "$(build)"
}

@test "build: killed with all it started, the next one trusts nothing of it" {
	begin one
	one=$PID
	eventually has_built 1
	pkill -KILL -s "$one" || :
	eventually test ! -e "/proc/$one"
	[[ -z $(find "$VMGEN_CACHE/store" -mindepth 1 -not -name '.tmp.*' -not -path '*/.tmp.*') ]]
	touch "$VMGEN_CACHE/work/kernel-toy/build-tiny/stale"
	rm "$GATE"
	run build
	has 'an earlier run was interrupted here: starting build-tiny afresh'
	[[ $status -eq 0 && ! -e $VMGEN_CACHE/work/kernel-toy/build-tiny/stale ]]
	is_whole "$(build)"
}

@test "build: two at once build once" {
	begin one
	one=$PID
	eventually has_built 1
	begin two
	two=$PID
	eventually grep -q 'waiting for another build of kernel toy' "$COPY/err.two"
	rm "$GATE"
	wait "$one" "$two"
	cmp "$COPY/out.one" "$COPY/out.two"
	is_whole "$(cat "$COPY/out.two")"
	[[ $(builds) -eq 1 ]]
}

@test "build: interrupted while it waits for another one, it ends at once" {
	begin one
	one=$PID
	eventually has_built 1
	begin two
	two=$PID
	eventually grep -q 'waiting for another build of kernel toy' "$COPY/err.two"
	kill -TERM "$two"
	eventually has_ended "$two"
	status=0
	wait "$two" || status=$?
	[[ $status -eq 143 ]]
	rm "$GATE"
	wait "$one"
	is_whole "$(cat "$COPY/out.one")"
}

@test "build: a failure is shown, and nothing is kept" {
	touch "$GATE.fail"
	run -1 build
	has 'building kernel toy (tiny): failed'
	store_is_empty
	rm "$GATE.fail"
	is_whole "$(build)"
}

@test "build: a changed configuration is another result" {
	first=$(build)
	echo 'CONFIG_MORE=y' >> "$COPY/Kconfig.frag"
	second=$(build)
	[[ $first != "$second" ]]
	grep -qx CONFIG_MORE=y "$second/config"
	run ! grep -qx CONFIG_MORE=y "$first/config"
}

# build_mutant FILE: with one more line in that file
build_mutant() {
	cat > "$COPY/mutant.patch" <<-END
		--- a/$1
		+++ b/$1
		@@ -1 +1,2 @@
		+# a line more
		 $(head -n 1 "$VMGEN_CACHE/src/kernel-toy/1-1/$1")
	END
	"$COPY/scripts/build" kernel toy --mutant "$COPY/mutant.patch" 3>&-
}

configurations() {
	wc -l < "$STARTED.configured"
}

@test "build: configures again when Kconfig has changed, and only then" {
	build
	[[ $(configurations) -eq 1 ]]
	build_mutant tools/testing/selftests/Makefile
	[[ $(builds) -eq 2 && $(configurations) -eq 1 ]]
	build_mutant Kconfig
	[[ $(builds) -eq 3 && $(configurations) -eq 2 ]]
}

# begin_ahead: a program that starts a build ahead and then needs it; its process is PID,
# and of all its processes the session.
begin_ahead() {
	touch "$GATE"
	cat > "$COPY/scripts/needs-toy" <<-'END'
		set -euo pipefail
		. "$(dirname -- "${BASH_SOURCE[0]}")/lib/common.bash"
		. "$VMGEN_ROOT/scripts/lib/ahead.bash"
		trap ahead_end EXIT
		ahead_start 'kernel toy'
		# Not before that one has begun.
		until [[ -e $STARTED ]]; do sleep 0.1; done
		toy=$("$VMGEN_ROOT/scripts/build" kernel toy)
		echo "$toy"
	END
	# As from a terminal: what is started in the background ignores SIGINT.
	setsid env --default-signal=INT bash "$COPY/scripts/needs-toy" \
		> "$COPY/out.ahead" 2> "$COPY/err.ahead" 3>&- &
	PID=$!
	eventually grep -qs 'waiting for another build of kernel toy' "$COPY/err.ahead"
}

@test "ahead: whoever needs the build waits for it, and it is built once" {
	begin_ahead
	rm "$GATE"
	wait "$PID"
	is_whole "$(cat "$COPY/out.ahead")"
	[[ $(builds) -eq 1 ]]
}

@test "ahead: a build that fails is tried again by whoever needs it, and shown" {
	begin_ahead
	touch "$GATE.fail"
	rm "$GATE"
	status=0
	wait "$PID" || status=$?
	[[ $status -eq 1 && $(builds) -eq 2 ]]
	run cat "$COPY/err.ahead"
	has 'building kernel toy (tiny): failed'
	store_is_empty
}

# One that nobody has reaped yet has ended, too.
no_process_of() {
	run -1 pgrep -a -s "$1" --runstates R,S,D,T
}

# ends_with STATUS SIGNAL: and when it has ended, nothing of it goes on, although what the
# build ahead has to delete takes a moment.
ends_with() {
	mkdir "$COPY/bin"
	printf '#!/bin/sh\nsleep 1\nexec /bin/rm "$@"\n' > "$COPY/bin/rm"
	chmod 755 "$COPY/bin/rm"
	PATH=$COPY/bin:$PATH begin_ahead
	kill -"$2" -- "-$PID"
	status=0
	wait "$PID" || status=$?
	[[ $status -eq $1 ]]
	no_process_of "$PID"
	[[ $(builds) -eq 1 ]]
	store_is_empty
	rm "$GATE"
	is_whole "$(build)"
}

@test "ahead: terminated, nothing of it goes on" {
	ends_with 143 TERM
}

@test "ahead: interrupted, nothing of it goes on" {
	ends_with 130 INT
}
