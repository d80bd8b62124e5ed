# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# Machines of vmfork, for the tests, the demo and the experiment.  To be sourced.
#
#   machine_prepare                build what is missing and not in the environment
#   machine_init, machine_cleanup  begin and end; a store of its own in VMFORK_DIR
#   vf VERB...                     vmfork --json
#   machine_run NAME [OPTION...] [-- QEMU-OPTION...]     run one, and wait for its agent
#   machine_follow NAME...         let vm_run and vm_qmp of vm.bash speak to machines
#   machine_await NAME             wait for its agent
#   machine_pid NAME, machine_status NAME FILTER, machine_names, machine_remove_all
#
# Knobs: those of vm.bash, VMFORK (the command), VMFORK_PROGRAMS (a folder with guest/ and
# host/), MACHINE_MEMORY (256M), MACHINE_CPUS (2).

# shellcheck source=selftests/harness/vm.bash
. "$(dirname "${BASH_SOURCE[0]}")/../harness/vm.bash"

machine_prepare() {
	local base

	read -r base _ < <(grep -v '^#' "$VM_TOP/kernel/base")
	[[ -n ${VMFORK_PROGRAMS:-} ]] || VMFORK_PROGRAMS=$(machine_build programs) || return
	[[ -n ${VMFORK:-} ]] || VMFORK=$(machine_build vmfork)/vmfork || return
	[[ -n ${VMGEN_INITRAMFS:-} ]] ||
		VMGEN_INITRAMFS=$("$VM_TOP/selftests/harness/initramfs" --with "$VMFORK_PROGRAMS/guest:/bin") || return
	vm_prepare "$base" --config cloud || return
	export VMFORK VMFORK_PROGRAMS VMGEN_INITRAMFS
	# For the daemon that owns the disks.
	export PATH=$VMGEN_QEMU/bin:$PATH
}

machine_sources() {
	case $1 in
	programs) find "$VM_TOP/selftests/vmfork"/{guest,host,stamp.h,Makefile} -type f ;;
	*) find "$VM_TOP/qemu-device/vmfork" -name '*.[ch]' -o -name Makefile -o -name '*.mk' ;;
	esac | sort
}

# machine_build programs|vmfork|vmfork-test: prints the folder.  Kept in the cache by what
# it is made from; vmfork-test dies at the step that VMFORK_DIE_AT names.
machine_build() (
	set -euo pipefail
	# What sources this may have it already, and what is in it can be set only once.
	# shellcheck source=scripts/lib/common.bash
	[[ -v EXIT_FAILED ]] || . "$VM_TOP/scripts/lib/common.bash"
	# shellcheck source=scripts/lib/store.bash
	. "$VM_TOP/scripts/lib/store.bash"
	cache_init
	readarray -t sources < <(machine_sources "$1")
	entry=$1-$(store_key "$1" "${sources[@]}" "$(gcc --version | head -n 1)")
	! store_find "$entry" || exit 0
	scratch=$(store_scratch)
	case $1 in
	programs) make --no-print-directory -s -C "$VM_TOP/selftests/vmfork" O="$scratch" >&2 || exit ;;
	vmfork) make --no-print-directory -s -C "$VM_TOP/qemu-device/vmfork" BUILD="$scratch" >&2 || exit ;;
	vmfork-test) make --no-print-directory -s -C "$VM_TOP/qemu-device/vmfork" BUILD="$scratch" TEST=1 >&2 || exit ;;
	esac
	store_add "$scratch" "$entry"
	store_find "$entry"
)

# --- beginning and end ------------------------------------------------------------

machine_init() {
	machine_sweep
	VM_ROOT=$(mktemp -d /tmp/vmfork-vm.XXXXXX)
	echo "$BASHPID" > "$VM_ROOT/owner"
	export VMFORK_DIR=$VM_ROOT/store
}

# Machines of a run that was killed: it could not end them.
machine_sweep() {
	local VM_ROOT

	for VM_ROOT in /tmp/vmfork-vm.*/; do
		VM_ROOT=${VM_ROOT%/}
		[[ -O $VM_ROOT && -s $VM_ROOT/owner ]] || continue
		vm_alive "$(< "$VM_ROOT/owner")" || machine_cleanup
	done
}

# Processes that have our folder on their command line: of ours, and of nobody else.
machine_processes() {
	grep -lsF -- "$VM_ROOT/" /proc/[0-9]*/cmdline | cut -d/ -f3 | while read -r pid; do
		# The one that looks has it there, too.
		[[ $(cat "/proc/$pid/comm" 2> /dev/null) == grep ]] || ! vm_alive "$pid" || echo "$pid"
	done
}

machine_mounts() {
	awk -v root="$VM_ROOT/" 'index($5, root) == 1 { print $5 }' /proc/self/mountinfo
}

# By force; whoever wants to know if vmfork rm does it looks before.
machine_cleanup() {
	local pid mount

	[[ -n ${VM_ROOT:-} && -d $VM_ROOT ]] || return 0
	for pid in $(machine_processes); do
		kill -KILL "$pid" 2> /dev/null || :
	done
	machine_mounts | while read -r mount; do
		umount -l "$mount"
	done
	vm_cleanup
}

# --- the command --------------------------------------------------------------------

# Bats waits for whoever holds its descriptor 3.
vf() {
	"$VMFORK" --json "$@" 3>&-
}

# machine_names: of all machines and snapshots
machine_names() {
	vf ls | jq -r '.machines[].machine, .snapshots[].snapshot'
}

# machine_remove_all: clones and what they live off, in any order, which is vmfork's business
machine_remove_all() {
	local names

	[[ -d $VMFORK_DIR ]] || return 0
	names=$(machine_names | xargs) || return
	# shellcheck disable=SC2086 # names have no spaces
	[[ -z $names ]] || vf rm --force $names > /dev/null
}

# What each machine here is made of, in MACHINE.
machine_options() {
	MACHINE=(
		-machine "${VM_MACHINE:-q35}" -accel 'tcg,thread=multi' -cpu qemu64
		-nodefaults -no-user-config -no-reboot -device vmgenid -device vmcoreinfo
		-kernel "$(vm_kernel_image)" -initrd "$VMGEN_INITRAMFS"
		-append "console=ttyS0 loglevel=6 panic=-1 oops=panic panic_on_warn=1 no_timer_check memhp_default_state=online ${VM_APPEND:-}"
		-chardev "file,id=console,path={dir}/console.log" -serial chardev:console
		-chardev "socket,id=agent,path={dir}/agent.sock,server=on,wait=off" -serial chardev:agent
	)
}

# machine_start NAME [OPTION...] [-- QEMU-OPTION...]
machine_start() {
	local name=$1 MACHINE options=()

	shift
	while (($#)) && [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	machine_options
	vf run "$name" --memory "${MACHINE_MEMORY:-256M}" --cpus "${MACHINE_CPUS:-2}" \
		--qemu "${MACHINE_QEMU:-$VMGEN_QEMU}/bin/qemu-system-x86_64" "${options[@]}" \
		-- "${MACHINE[@]}" "${@:2}"
}

machine_run() {
	machine_start "$@" > /dev/null && machine_follow "$1" && machine_await "$1"
}

machine_follow() {
	local name

	for name; do
		ln -sfn "$VMFORK_DIR/machines/$name/run" "$VM_ROOT/$name"
	done
}

# A command that came before the agent listened is lost, so it is asked again; less and
# less often, because on a busy host the answer takes a while.
machine_await() {
	local end=$((SECONDS + VM_TIMEOUT)) patience=1 pid

	pid=$(machine_pid "$1") || return
	until VM_TIMEOUT=$patience vm_run "$1" true 2> /dev/null; do
		if ((SECONDS >= end)) || ! vm_alive "$pid"; then
			vm_error "$1" "the agent did not come up"
			return 1
		fi
		((patience >= 16)) || patience=$((patience * 2))
	done
}

# machine_status NAME FILTER: of a machine, or a snapshot
machine_status() {
	vf status "$1" | jq -r ".machines[0] // .snapshots[0] | $2"
}

machine_pid() {
	jq -r '.run.process.pid' "$VMFORK_DIR/machines/$1/machine.json"
}

# --- in the guest --------------------------------------------------------------------

# machine_generation NAME: "GENERATION INSTANCE", as a read() of /dev/vmgenctr gives them
machine_generation() {
	vm_run "$1" 'genstat read' | awk -F= '
		$1 == "read.generation" { g = $2 } $1 == "read.instance" { i = $2 }
		END { print g, i; exit g == "" }'
}

# machine_pairs NAME SET COUNT [DISK]: begins to write them
machine_pairs() {
	vm_run "$1" "pairs ${*:2} > /run/pairs.$2 2>&1 & until grep -qs writing /run/pairs.$2; do
		kill -0 \$! || { cat /run/pairs.$2; exit 1; }; usleep 10000; done"
}

# machine_hold NAME SET PAGES|all: prints how many pages are held; then machine_ask
machine_hold() {
	vm_run "$1" "hold $2 $3 /run/hold.$2 > /run/held.$2 2>&1 & until grep -qs holding /run/held.$2; do
		kill -0 \$! || { cat /run/held.$2; exit 1; }; usleep 10000; done; cut -d' ' -f2 /run/held.$2"
}

# machine_ask NAME SET WORD...
machine_ask() {
	vm_run "$1" "echo '${*:3}' > /run/hold.$2; cat /run/hold.$2.out"
}

# --- on the host -----------------------------------------------------------------------

viewcheck() {
	"$VMFORK_PROGRAMS/host/viewcheck" "$@"
}

# machine_ram NAME: the memory of a machine that was not forked, as it is now
machine_ram() {
	local pid

	pid=$(machine_pid "$1") || return
	echo "/proc/$pid/fd/$(find "/proc/$pid/fd" -lname '/memfd:vmfork*' -printf '%f\n' | head -n 1)"
}

# view_of SNAP FILE
view_of() {
	echo "$VMFORK_DIR/snapshots/$1/view/$2"
}

# sectors COUNT FILE: an image in which sector N begins with the number N
sectors() {
	perl -e 'print pack("Q<x504", $_) for 0 .. $ARGV[0] - 1' "$1" > "$2"
}

# blockdev_of FILE: one that QEMU reads by O_DIRECT and io_uring straight into the guest
blockdev_of() {
	echo "driver=file,node-name=dma,filename=$1,aio=io_uring,cache.direct=on,read-only=on"
}
