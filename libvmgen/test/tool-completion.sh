# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The completion of `vmgen` in bash offers what the command understands.
set -eu
# shellcheck source=libvmgen/tools/test/setup.sh
. tools/test/setup.sh
need bash

# completes LINE WORD...: with the cursor at its end, these are offered, and no others
cat > "$scratch/complete" << 'EOF'
. tools/completion/vmgen
read -ra COMP_WORDS <<< "$1"
[[ $1 != *' ' ]] || COMP_WORDS+=('')
COMP_LINE=$1 COMP_POINT=${#1} COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
complete -p vmgen | grep -q -- '-F _vmgen' || exit
_vmgen vmgen "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
EOF
completes() {
	line=$1; shift
	want=$(printf '%s\n' "$@" | sort)
	got=$(bash "$scratch/complete" "$line" | sort)
	[ "$got" = "$want" ] || die "'$line' is completed to: $got"
}

completes 'vmgen ' status wait watch exec doctor
completes 'vmgen wa' wait watch
completes 'vmgen --' --help --version
completes 'vmgen nonsense --' ''
completes 'vmgen wait --timeout ' ''
completes 'vmgen wait --t' --timeout
completes 'vmgen exec --e' --exit-on-error
completes 'vmgen exec --count ' ''
completes 'vmgen exec --initial --count 3 --e' --exit-on-error
completes 'vmgen exec -- --e' ''
completes 'vmgen exec printf --e' ''
has "$(bash "$scratch/complete" 'vmgen exec -- print')" '^printf$'
has "$(bash "$scratch/complete" 'vmgen exec --count 3 print')" '^printf$'

# Every long option of every command, as its --help has them.
for command in status wait watch exec doctor; do
	# shellcheck disable=SC2046 # one word each
	completes "vmgen $command --" $(vmgen $command --help |
		sed -n 's/^  -[a-z], \(--[a-z-]*\).*/\1/p')
done
