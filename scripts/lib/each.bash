# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# scripts/patches check --each: every patch of a series builds alone, and the files
# that the series touches without a warning.

check_each() {
	local name=$1 commits commit
	lock "work-$KIND-$BASE_NAME" "build of $KIND $BASE_NAME"
	work_prepare "$TREE"
	"each_open_$KIND"
	readarray -t commits < <(series_git -C "$WORK/series" rev-list --reverse base..HEAD)
	for commit in "${commits[@]}"; do
		series_git -C "$WORK/series" checkout -q "$commit"
		overlay_sync "$TREE" "$SRC" "$WORK/series" "$WORK/overlay"
		"each_$KIND" "$name: $(series_git -C "$WORK/series" log -1 --format=%s)"
	done
	each_close
	unlock_last
}

each_close() {
	local folder
	for folder in "${EACH_OUT[@]}"; do
		work_close_build "$folder"
	done
}

# each_report TEXT FILTER: the verdict on the step that has just ended.  What
# warnings the log has of lines that the filter lets through fails it.
each_report() {
	local warnings
	warnings=$(grep -E '(warning|error):' "$STEP_LOG" | grep -F -f <(each_touched '.') || :)
	if [[ $STEP_RC -ne 0 ]]; then
		tap_not_ok "$1" "$(grep -E 'error|Error' "$STEP_LOG" | head -n 20)"
	elif [[ -n $warnings ]]; then
		tap_not_ok "$1" "$warnings"
	else
		tap_ok "$1"
	fi
}

# The files touched by the series so far that exist, if they match.
each_touched() {
	series_git -C "$WORK/series" diff --no-renames --diff-filter=d --name-only base HEAD |
		grep -E -- "$1" || :
}

# Whether the patch at HEAD touches such a file.
each_touches() {
	series_git -C "$WORK/series" diff --no-renames --name-only HEAD~ HEAD | grep -qE -- "$1"
}

# --- the kernel ------------------------------------------------------------------

each_open_kernel() {
	EACH_OUT=("$WORK/build-tiny" "$WORK/build-each")
	for OUT in "${EACH_OUT[@]}"; do
		work_open_build "$OUT"
	done
}

# Documents build nothing.  What can be configured is tried as built in, module
# and absent; W=1 and sparse look at the touched files only, because a kernel built
# with W=1 throughout takes minutes and says much about others.
each_kernel() {
	if ! each_touches '\.[chS]$|Kconfig|Makefile'; then
		tap_ok "$1: touches nothing that is compiled"
		return
	fi
	OUT=${EACH_OUT[0]}
	if each_touches '^tools/testing/selftests/'; then
		step_try "building selftests: $1" kernel_selftests "$SCRATCH/kselftest"
		each_report "$1: the selftests build"
	fi
	each_touches '^(drivers|include|lib|arch|kernel)/' || return 0
	step_try "linking: $1" each_kernel_link
	each_report "$1: the kernel links"
	OUT=${EACH_OUT[1]}
	for EACH_VALUE in y m n; do
		step_try "W=1 and sparse, $EACH_VALUE: $1" each_kernel_objects
		each_report "$1: W=1 and sparse are silent with CONFIG_VMGENCTR=$EACH_VALUE"
	done
}

each_kernel_configure() {
	mkdir -p "$OUT"
	kernel_make KCONFIG_CONFIG=.config.new tinyconfig
	cat "$VMGEN_ROOT/Kconfig.frag" - >>"$OUT/.config.new"
	kernel_make KCONFIG_CONFIG=.config.new olddefconfig
	cmp -s "$OUT/.config.new" "$OUT/.config" || mv -- "$OUT/.config.new" "$OUT/.config"
}

each_kernel_link() {
	each_kernel_configure <"$VMGEN_ROOT/selftests/vmgenctr/config"
	kernel_make vmlinux
}

each_kernel_objects() {
	local objects
	each_kernel_configure <<-END
		CONFIG_MODULES=y
		CONFIG_VMGENCTR=$EACH_VALUE
		CONFIG_VMGENCTR_KUNIT_TEST=$EACH_VALUE
	END
	readarray -t objects < <(each_touched '^(drivers|lib|kernel|arch)/.*\.c$' | sed 's/\.c$/.o/')
	[[ ${#objects[@]} -gt 0 ]] || return 0
	(cd "$OUT" && rm -f -- "${objects[@]}")
	kernel_make W=1 C=2 "${objects[@]}"
}

# --- QEMU ------------------------------------------------------------------------

each_open_qemu() {
	EACH_OUT=("$WORK/build")
	OUT=${EACH_OUT[0]}
	meson_provide
	work_open_build "$OUT"
}

each_qemu() {
	if ! each_touches '\.(c|h|json|hx)$|Kconfig|meson'; then
		tap_ok "$1: touches nothing that is compiled"
		return
	fi
	step_try "building: $1" each_qemu_build
	each_report "$1: builds without a warning"
}

each_qemu_build() {
	qemu_configure
	qemu_build
}
