# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# scripts/patches check --each: every patch of all series builds alone, and the files
# that the series touch without a warning.

check_each() {
	local name=$1 commits commit
	lock "work-$KIND-$BASE_NAME" "build of $KIND $BASE_NAME"
	work_prepare "$TREE"
	"each_open_$KIND"
	readarray -t commits < <(series_git -C "$WORK/series" rev-list --reverse base..HEAD)
	EACH_TIP=${commits[-1]}
	each_checkout base
	"each_known_$KIND" "$name" >"$SCRATCH/known"
	for commit in "${commits[@]}"; do
		each_checkout "$commit"
		"each_$KIND" "$name: $(series_git -C "$WORK/series" log -1 --format=%s)"
	done
	each_close
	unlock_last
}

each_checkout() {
	series_git -C "$WORK/series" checkout -q "$1"
	overlay_sync "$TREE" "$SRC" "$WORK/series" "$WORK/overlay"
}

each_close() {
	local folder
	for folder in "${EACH_OUT[@]}"; do
		work_close_build "$folder"
	done
}

# each_report TEXT: the verdict on the step that has just ended.  A warning of a file
# that the series touch fails it, unless the base has it: then it is not ours.
each_report() {
	local warnings
	warnings=$(each_warnings | comm -13 "$SCRATCH/known" -)
	if [[ $STEP_RC -ne 0 ]]; then
		tap_not_ok "$1" "$(grep -E 'error|Error' "$STEP_LOG" | head -n 20)"
	elif [[ -n $warnings ]]; then
		tap_not_ok "$1" "$warnings"
	else
		tap_ok "$1"
	fi
}

# Those of the last step, without the numbers of lines, which move.
each_warnings() {
	{ grep -E '(warning|error):' "$STEP_LOG" || :; } |
		{ grep -F -f <(each_touched '.') || :; } |
		sed -E 's/:[0-9]+(:[0-9]+)?:/:/' | sort -u
}

# The files that the series touch and that exist at HEAD, if they match.
each_touched() {
	series_git -C "$WORK/series" diff --no-renames --name-only base "$EACH_TIP" |
		{ grep -E -- "$1" || :; } |
		while read -r file; do
			[[ ! -e $SRC/$file ]] || echo "$file"
		done
}

# Whether the patch at HEAD touches such a file.
each_touches() {
	series_git -C "$WORK/series" diff --no-renames --name-only HEAD~ HEAD | grep -qE -- "$1"
}

# --- the kernel ------------------------------------------------------------------

each_open_kernel() {
	EACH_OUT=("$WORK"/build-{tiny,each-y,each-m,each-n})
	for OUT in "${EACH_OUT[@]}"; do
		work_open_build "$OUT"
	done
}

# What W=1 and sparse say before the series.
each_known_kernel() {
	OUT=$WORK/build-each-n
	step_try "W=1 and sparse: $1 before the series" each_kernel_objects n
	each_warnings
}

# Documents build nothing.  The counter is tried built in, as a module and left out.
# W=1 and sparse look at the folders of the touched files only: a kernel that is built
# with W=1 throughout takes minutes, and says much about others.
each_kernel() {
	local value
	if ! each_touches '\.[chS]$|Kconfig|Makefile'; then
		tap_ok "$1: touches nothing that is compiled"
		return
	fi
	OUT=$WORK/build-tiny
	if each_touches '^tools/testing/selftests/'; then
		step_try "building selftests: $1" kernel_selftests "$SCRATCH/kselftest"
		each_report "$1: the selftests build"
	fi
	each_touches '^(drivers|include|lib|arch|kernel)/' || return 0
	step_try "linking: $1" each_kernel_link
	each_report "$1: the kernel links"
	for value in y m n; do
		OUT=$WORK/build-each-$value
		step_try "W=1 and sparse, $value: $1" each_kernel_objects "$value"
		each_report "$1: W=1 and sparse are silent ($value)"
	done
}

each_kernel_link() {
	kernel_merge "$VMGEN_ROOT/Kconfig.frag" "$VMGEN_ROOT/selftests/vmgenctr/config"
	kernel_make vmlinux
}

# The folders are built as the configuration has it, so that what is absent stays so.
each_kernel_objects() {
	local objects folders
	each_kernel_value "$1" >"$SCRATCH/$1.config"
	kernel_merge "$VMGEN_ROOT/Kconfig.frag" "$SCRATCH/$1.config"
	readarray -t objects < <(each_touched '^(drivers|lib|kernel|arch)/.*\.c$' | sed 's/\.c$/.o/')
	[[ ${#objects[@]} -gt 0 ]] || return 0
	readarray -t folders < <(dirname -- "${objects[@]}" | sort -u)
	(cd "$OUT" && rm -f -- "${objects[@]}")
	kernel_make W=1 C=2 "${folders[@]/%//}"
}

# The counter is no module of its own: it is one when the driver is.
each_kernel_value() {
	printf 'CONFIG_%s\n' MODULES=y VMGENCTR_KUNIT_TEST=y
	case $1 in
	y) printf 'CONFIG_%s\n' VMGENID=y VMGENCTR=y ;;
	m) printf 'CONFIG_%s\n' VMGENID=m VMGENCTR=y ;;
	n) printf 'CONFIG_%s\n' VMGENID=y VMGENCTR=n ;;
	esac
}

# --- QEMU ------------------------------------------------------------------------

each_open_qemu() {
	EACH_OUT=("$WORK/build")
	OUT=${EACH_OUT[0]}
	meson_provide
	work_open_build "$OUT"
}

# The base has none that anybody saw.
each_known_qemu() {
	:
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
