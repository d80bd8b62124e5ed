# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# Virtual machines for the tests.  To be sourced by bats files and by scripts.
#
#   vm_prepare [BASE [BUILD-OPTION...]]  build what is missing and not in the environment
#   vm_init, vm_cleanup                  begin and end
#   vm_boot NAME MODE [QEMU-ARG...]      boot a guest and wait for its agent
#   vm_run NAME COMMAND                  run COMMAND in the guest, with its output and status
#   vm_qmp NAME STEP...                  speak QMP, see below
#   vm_save NAME FILE                    stop the guest and save it
#   vm_restore NAME FILE [QEMU-ARG...]   restore it in a new process, under another GUID
#   vm_move FROM NAME [QEMU-ARG...]      migrate a running guest to a new process
#   vm_savevm NAME TAG, vm_loadvm NAME TAG    the same in place (needs vm_disk)
#   vm_reboot NAME                       reset the machine and wait for its agent
#   vm_run_to NAME FUNCTION...           let the guest run to functions of its kernel
#   vm_stop NAME, vm_stop_all            end the process
#   vm_check_log NAME, vm_check_logs     fail when the kernel complained
#   vm_memory NAME ADDRESS SIZE          guest physical memory, as QEMU sees it, on stdout
#   vm_generation NAME                   what the generation page says, seen from the host
#   vm_kernel_version, vm_qemu_version   of what vm_prepare built or found, for documents
#   vm_accel                             what runs the guest, as QEMU's -accel
#
# MODE is "hypervisor" (counter=on), "software" (counter=off) or "default" (what the
# machine type has; the only one that an unpatched QEMU knows).
#
# Knobs: VMGEN_KERNEL and VMGEN_QEMU (what scripts/build prints), VMGEN_INITRAMFS,
# VMGEN_ACCEL (tcg), VM_TIMEOUT (seconds that any single answer may take), VM_MEMORY,
# VM_SMP, VM_MACHINE, VM_APPEND (kernel arguments); for whatever saves, loads or moves a
# machine VM_CAPABILITIES (words) and VM_PARAMETERS (members of a JSON object) of QEMU's
# migration; for whatever starts one VM_GUID, VM_NUMBER, VM_PAUSED=1, and VM_AUTOSTART=1:
# QEMU lets it run by itself, and not because it is told to.

: "${VM_TIMEOUT:=300}"
VM_PAGE_ADDRESS=0xfeffa000
VM_NUMBER_PORT=0xe9

VM_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)

vm_prepare() {
	[[ -n ${VMGEN_KERNEL:-} ]] || VMGEN_KERNEL=$(vm_build_kernel "$@") || return
	[[ -n ${VMGEN_QEMU:-} ]] || VMGEN_QEMU=$("$VM_TOP/scripts/build" qemu) || return
	[[ -n ${VMGEN_INITRAMFS:-} ]] || VMGEN_INITRAMFS=$("$VM_TOP/selftests/harness/initramfs") || return
	export VMGEN_KERNEL VMGEN_QEMU VMGEN_INITRAMFS
}

# Without an argument: the first of the bases that Debian still has.
vm_build_kernel() {
	local base status=1

	(($# == 0)) || { "$VM_TOP/scripts/build" kernel "$@"; return; }
	while read -r base _; do
		[[ $base && $base != '#'* ]] || continue
		status=0
		"$VM_TOP/scripts/build" kernel "$base" < /dev/null || status=$?
		((status == 4)) || break
	done < "$VM_TOP/kernel/base"
	return "$status"
}

# Every VM lives in a directory below VM_ROOT.  Unix socket paths are limited to
# 107 bytes, so it has to be a short one, whatever TMPDIR is.
vm_init() {
	vm_sweep
	VM_ROOT=$(mktemp -d /tmp/vmgen-vm.XXXXXX)
	echo "$BASHPID" > "$VM_ROOT/owner"
}

# Guests of a run that was killed: it could not end them.
vm_sweep() {
	local VM_ROOT

	for VM_ROOT in /tmp/vmgen-vm.*/; do
		VM_ROOT=${VM_ROOT%/}
		[[ -O $VM_ROOT && -s $VM_ROOT/owner ]] || continue
		vm_alive "$(< "$VM_ROOT/owner")" || vm_cleanup
	done
}

# The end of a suite, a test or a script: nothing of it survives.
vm_cleanup() {
	[[ -n ${VM_ROOT:-} && -d $VM_ROOT ]] || return 0
	vm_stop_all
	rm -rf "$VM_ROOT"
}

vm_error() {
	local name=$1 dir=$VM_ROOT/$1

	shift
	{
		echo "vm $name: $*"
		cat "$dir/stderr" "$dir/qemu.log" 2> /dev/null | sed 's/^/  qemu: /'
		[[ ! -s $dir/console.log ]] || tail -n 25 "$dir/console.log" | sed 's/^/  console: /'
	} >&2
}

# --- Starting and ending processes -----------------------------------------

vm_kernel_image() {
	if [[ -d $VMGEN_KERNEL ]]; then
		echo "$VMGEN_KERNEL/bzImage"
	else
		echo "$VMGEN_KERNEL"
	fi
}

# The debug kernel needs more of everything, and says so in its configuration.
vm_default_memory() {
	if grep -qs '^CONFIG_KASAN=y' "$VMGEN_KERNEL/config"; then
		echo 512
	else
		echo 128
	fi
}

# What has to be the same in every VM that loads a state saved by this one.
# Saved beside the state.
vm_machine_args() {
	local counter=$1

	shift
	printf '%s\0' "$counter" -cpu qemu64 -smp "${VM_SMP:-1}" \
		-m "${VM_MEMORY:-$(vm_default_memory)}" "$@"
}

vm_accel() {
	local thread=single

	[[ ${VM_SMP:-1} == 1 ]] || thread=multi
	echo "${VMGEN_ACCEL:-tcg,thread=$thread}"
}

# vm_common_args GUID COUNTER APPEND: what every VM is made of, in VM_COMMON.  Where QEMU
# has to wait for a processor, the kernel would take the timer for a broken one.
vm_common_args() {
	local guid=$1 counter=$2 append=$3

	VM_COMMON=(
		-machine "${VM_MACHINE:-q35}" -accel "$(vm_accel)"
		-nodefaults -no-user-config -display none -no-reboot
		-device "vmgenid,guid=$guid${counter:+,counter=$counter}"
		-kernel "$(vm_kernel_image)" -initrd "$VMGEN_INITRAMFS"
		-append "console=ttyS0 loglevel=6 panic=-1 oops=panic panic_on_warn=1 no_timer_check $append"
	)
}

vm_start() {
	local name=$1 dir=$VM_ROOT/$1 guid=${VM_GUID:-} number=${VM_NUMBER:-}
	local -a machine VM_COMMON paused=(-S)

	shift
	[[ -z ${VM_AUTOSTART:-} ]] || paused=()
	mapfile -d '' -t machine < "$dir/machine"
	[[ -n $guid ]] || read -r guid < /proc/sys/kernel/random/uuid
	[[ -n $number ]] || number=$(find "$VM_ROOT" -mindepth 1 -maxdepth 1 -type d | wc -l)
	echo "$guid" > "$dir/guid"
	vm_common_args "$guid" "${machine[0]}" "${VM_APPEND:-}"

	# Bats waits for whoever holds its descriptor 3.
	"$VMGEN_QEMU/bin/qemu-system-x86_64" -name "$name" "${VM_COMMON[@]}" \
		"${paused[@]}" -daemonize -pidfile "$dir/pid" -D "$dir/qemu.log" \
		-chardev "file,id=console,path=$dir/console.log" -serial chardev:console \
		-chardev "socket,id=agent,path=$dir/agent.sock,server=on,wait=off" -serial chardev:agent \
		-chardev "socket,id=qmp,path=$dir/qmp.sock,server=on,wait=off" -mon chardev=qmp,mode=control \
		-chardev "socket,id=number,path=$dir/port.sock,server=on,wait=off" \
		-device "isa-debugcon,iobase=$VM_NUMBER_PORT,chardev=number,readback=$number" \
		"${machine[@]:1}" "$@" 2> "$dir/stderr" 3>&- && return
	vm_error "$name" "QEMU did not start"
	return 1
}

vm_new() {
	mkdir "$VM_ROOT/$1" || return
	: > "$VM_ROOT/$1/console.log"
}

vm_disk() {
	"$VMGEN_QEMU/bin/qemu-img" create -q -f qcow2 "$1" 1G
}

vm_boot() {
	local name=$1 mode=$2 dir=$VM_ROOT/$1 counter

	shift 2
	case $mode in
	hypervisor) counter=on ;;
	software) counter=off ;;
	default) counter='' ;;
	*) echo "vm_boot: no mode $mode" >&2; return 2 ;;
	esac
	vm_new "$name" || return
	vm_machine_args "$counter" "$@" > "$dir/machine"
	VM_NUMBER=${VM_NUMBER:-0} vm_start "$name" || return
	[[ -z ${VM_PAUSED:-} ]] || return 0
	vm_await_agent "$name" '{"execute":"cont"}'
}

# Listen first, then let the guest run: what the agent says is not to be missed.
vm_await_agent() {
	local name=$1 line status=1
	local VM_TO VM_FROM

	shift
	vm_link "$VM_ROOT/$name/agent.sock"
	vm_qmp "$name" "$@" > /dev/null || { vm_unlink; return 1; }
	while read -r -t "$VM_TIMEOUT" -u "$VM_FROM" line; do
		[[ $line != @ready* ]] || { status=0; break; }
	done
	vm_unlink
	((status == 0)) || vm_error "$name" "the agent did not come up"
	return "$status"
}

vm_reboot() {
	vm_await_agent "$1" \
		'{"execute":"set-action","arguments":{"reboot":"reset"}}' \
		'{"execute":"system_reset"}' || return
	# A guest that resets itself later on has panicked.
	vm_qmp "$1" '{"execute":"set-action","arguments":{"reboot":"shutdown"}}' > /dev/null
}

# A process that is gone, or a zombie that nobody reaps, has ended.
vm_alive() {
	local stat

	read -r stat 2> /dev/null < "/proc/$1/stat" && [[ $stat != *") Z "* ]]
}

vm_stop() {
	local dir=$VM_ROOT/$1 pid tries

	[[ -s $dir/pid ]] || return 0
	pid=$(< "$dir/pid")
	# Never another process that got the number since.
	if grep -qsF "$dir/pid" "/proc/$pid/cmdline"; then
		kill -KILL "$pid" 2> /dev/null || :
		for ((tries = 0; tries < 500; tries++)); do
			vm_alive "$pid" || break
			sleep 0.01
		done
	fi
	rm -f "$dir/pid"
}

vm_stop_all() {
	local dir

	for dir in "$VM_ROOT"/*/; do
		[[ ! -e $dir/pid ]] || vm_stop "$(basename "$dir")"
	done
}

# --- A two-way connection to a unix socket -----------------------------------

# Sets VM_TO and VM_FROM.  Not a coprocess: of those bash has only one.  Not <(:), which
# is over before bash knows of it, and whose number it then takes for that of another
# child: it waits for that one for ever.  A short here-string is in a pipe, too; as VM_TO
# can read from it as well, nobody at the other end is no SIGPIPE.
vm_link() {
	local end

	exec {end}<<< ''
	exec {VM_TO}<> "/dev/fd/$end"
	read -r -u "$end"
	exec {VM_FROM}< <(exec socat -t0 - "UNIX-CONNECT:$1" <&"$end" {VM_TO}>&- 2> /dev/null 3>&-)
	exec {end}<&-
}

vm_send() {
	echo "$1" >&"$VM_TO"
}

vm_unlink() {
	exec {VM_TO}>&- {VM_FROM}<&-
}

# --- QMP --------------------------------------------------------------------

vm_quote() {
	local s=${1//\\/\\\\}

	printf '"%s"' "${s//\"/\\\"}"
}

# vm_qmp NAME STEP...: a STEP is a QMP command, whose return value is printed as it is, or
# "event:NAME:REGEX", which waits for an event that matches and came after the
# last command was sent.
vm_qmp() {
	local name=$1 step status=0
	local -a events=()
	local VM_TO VM_FROM

	shift
	vm_link "$VM_ROOT/$name/qmp.sock"
	for step in '{"execute":"qmp_capabilities"}' "$@"; do
		if [[ $step == event:* ]]; then
			vm_qmp_event "$step" || status=1
		else
			vm_qmp_command "$step" || status=1
		fi
		((status == 0)) || { vm_error "$name" "QMP: $step failed"; break; }
	done
	vm_unlink
	return "$status"
}

vm_qmp_command() {
	local line

	events=()
	vm_send "$1"
	while read -r -t "$VM_TIMEOUT" -u "$VM_FROM" line; do
		case $line in
		'{"QMP"'*) ;;
		*'"event":'*) events+=("$line") ;;
		'{"return": '*)
			line=${line#'{"return": '}
			[[ $1 == *qmp_capabilities* ]] || echo "${line%\}*}"
			return ;;
		*) echo "$line" >&2; return 1 ;;
		esac
	done
	return 1
}

vm_qmp_event() {
	local event=${1#event:} regex line

	regex=${event#*:}
	event=${event%%:*}
	for line in "${events[@]}"; do
		[[ $line != *"\"event\": \"$event\""* || ! $line =~ $regex ]] || return 0
	done
	while read -r -t "$VM_TIMEOUT" -u "$VM_FROM" line; do
		[[ $line != *"\"event\": \"$event\""* || ! $line =~ $regex ]] || return 0
	done
	return 1
}

# The human monitor reports errors as text, after what else there is to say.
vm_hmp() {
	local out

	out=$(vm_qmp "$1" "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":$(vm_quote "$2")}}") &&
		out=$(jq -r . <<< "$out") || return
	[[ $'\n'$out != *$'\n'Error:* ]] || { vm_error "$1" "$2: $out"; return 1; }
	printf '%s' "$out"
}

# vm_link_port NAME: to what a guest that is paused will write to the port of its number;
# what it says to nobody is lost
vm_link_port() {
	local socket=$VM_ROOT/$1/port.sock end=$((SECONDS + VM_TIMEOUT)) chardevs

	vm_link "$socket"
	while chardevs=$(vm_qmp "$1" '{"execute":"query-chardev"}') && ((SECONDS < end)); do
		[[ $chardevs == *"disconnected:unix:$socket"* ]] || return 0
	done
	vm_unlink
	vm_error "$1" "nobody listens at $socket"
	return 1
}

# --- Snapshots ----------------------------------------------------------------

vm_capabilities() {
	local capability list=''

	for capability in events ${VM_CAPABILITIES:-}; do
		list+=",{\"capability\":\"$capability\",\"state\":true}"
	done
	echo "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":[${list:1}]}}"
}

vm_parameters() {
	echo "{\"execute\":\"migrate-set-parameters\",\"arguments\":{${VM_PARAMETERS:-}}}"
}

# vm_migrate NAME URI [STEP...]: save or send it, after the STEPs
vm_migrate() {
	local name=$1 uri=$2 said

	shift 2
	said=$(vm_qmp "$name" "$(vm_capabilities)" "$(vm_parameters)" "$@" \
		"{\"execute\":\"migrate\",\"arguments\":{\"uri\":$(vm_quote "$uri")}}" \
		'event:MIGRATION:"(completed|failed)"' '{"execute":"query-migrate"}') || return
	[[ $said == *'"status": "completed"'* ]] || { vm_error "$name" "not saved: $said"; return 1; }
}

vm_save() {
	vm_migrate "$1" "file:$2" '{"execute":"stop"}' && cp "$VM_ROOT/$1/machine" "$2.machine"
}

# vm_incoming NAME MACHINE-FILE [QEMU-ARG...]: a process that waits for a state
vm_incoming() {
	local name=$1 file=$2

	shift 2
	vm_new "$name" && cp "$file" "$VM_ROOT/$name/machine" && vm_start "$name" -incoming defer "$@"
}

# vm_receive NAME URI [STEP...]: begin to load
vm_receive() {
	local name=$1 uri=$2

	shift 2
	vm_qmp "$name" "$(vm_capabilities)" "$(vm_parameters)" \
		"{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":$(vm_quote "$uri")}}" "$@" > /dev/null
}

vm_restore() {
	local name=$1 file=$2 then=('{"execute":"cont"}')

	shift 2
	[[ -z ${VM_PAUSED:-}${VM_AUTOSTART:-} ]] || then=()
	vm_incoming "$name" "$file.machine" "$@" &&
		vm_receive "$name" "file:$file" 'event:MIGRATION:"completed"' "${then[@]}"
}

vm_move() {
	local from=$1 name=$2

	shift 2
	vm_incoming "$name" "$VM_ROOT/$from/machine" "$@" &&
		vm_receive "$name" "unix:$VM_ROOT/$name/sock" &&
		vm_migrate "$from" "unix:$VM_ROOT/$name/sock" &&
		vm_arrived "$name"
}

# vm_arrived NAME: the other side is done, and this one soon is
vm_arrived() {
	vm_await_migration "$1" completed || return
	[[ ${VM_PAUSED:-} ]] || vm_qmp "$1" '{"execute":"cont"}' > /dev/null
}

# Nobody may have listened when the event came.
vm_await_migration() {
	local name=$1 end=$((SECONDS + VM_TIMEOUT)) status=

	while ((SECONDS < end)); do
		status=$(vm_qmp "$name" '{"execute":"query-migrate"}' | jq -r .status) || break
		case $status in
		"$2") return ;;
		failed) break ;;
		esac
	done
	vm_error "$name" "migration is not $2, but '$status'"
	return 1
}

vm_savevm() {
	vm_hmp "$1" "savevm $2"
}

vm_loadvm() {
	vm_hmp "$1" "loadvm $2"
}

# --- The debugger's stub ------------------------------------------------------------

# Lets the guest run until its kernel is at the first instruction of each FUNCTION in
# turn, and leaves it stopped at the last.  A state that is saved there says that it is
# being debugged, which no other process goes on from: start the machine with
# "-global migration.store-global-state=off".
vm_run_to() {
	local name=$1 socket=$VM_ROOT/$1/gdb.sock function status=0
	local VM_TO VM_FROM

	shift
	[[ -e $socket ]] || vm_hmp "$name" "gdbserver unix:$socket,server=on,wait=off" > /dev/null || return
	# Who connects stops the machine.
	vm_link "$socket"
	for function; do
		vm_gdb_run_to "$(vm_symbol "$function")" || { status=1; break; }
	done
	vm_unlink
	((status == 0)) || vm_error "$name" "the guest does not come to $function"
	return "$status"
}

vm_gdb_run_to() {
	[[ $1 ]] && vm_gdb "Z0,$1,1" OK && vm_gdb c T05 && vm_gdb "z0,$1,1" OK
}

vm_symbol() {
	awk -v name="$1" '$3 == name { print $1; exit }' "$VMGEN_KERNEL/System.map"
}

# vm_gdb PACKET ANSWER: what the answer to the packet begins with.  Not a byte more than
# that is sent, for any would stop the guest again.
vm_gdb() {
	local sum=0 c i answer _

	for ((i = 0; i < ${#1}; i++)); do
		printf -v c %d "'${1:i:1}"
		sum=$((sum + c))
	done
	(printf '$%s#%02x' "$1" $((sum % 256)) >&"$VM_TO")
	IFS='$' read -r -t "$VM_TIMEOUT" -d '#' -u "$VM_FROM" _ answer || return
	read -r -t "$VM_TIMEOUT" -N 2 -u "$VM_FROM" _
	[[ $answer == "$2"* ]] && (printf + >&"$VM_TO")
}

# --- Commands in the guest ------------------------------------------------------

# The agent's protocol is described in agent.c.  VM_WATCH names a command that gets
# each piece of output as it comes; the next piece waits for it.  Status 125: no
# answer.
vm_run() {
	local name=$1 command=$2 nonce=$BASHPID.$RANDOM$RANDOM line sent got=0 status=125
	local VM_TO VM_FROM

	vm_link "$VM_ROOT/$name/agent.sock"
	vm_send $'\n'"$nonce $(base64 -w0 <<< "$command")"
	while read -r -t "$VM_TIMEOUT" -u "$VM_FROM" line; do
		case $line in
		"$nonce + "*) vm_output "${line#"$nonce + "}" ;;
		"$nonce = "*)
			read -r _ _ status sent <<< "$line"
			((got == sent)) || status=125
			break ;;
		esac
	done
	vm_unlink
	((status != 125)) || vm_error "$name" "no answer to: $command"
	return "$status"
}

vm_output() {
	local padding=${1//[^=]/}

	((got += ${#1} * 3 / 4 - ${#padding}))
	base64 -d <<< "$1" | "${VM_WATCH:-cat}"
}

# --- What the host sees -----------------------------------------------------------

vm_memory() {
	local name=$1 address=$2 size=$3 file

	file=$(mktemp "$VM_ROOT/memory.XXXXXX")
	vm_qmp "$name" "{\"execute\":\"pmemsave\",\"arguments\":{\"val\":$((address)),\"size\":$size,\"filename\":$(vm_quote "$file")}}" > /dev/null &&
		cat "$file"
}

vm_generation() {
	vm_memory "$1" $((VM_PAGE_ADDRESS + 0x18)) 8 | od -An -v -td8 | tr -d ' '
}

# --- What it runs on ------------------------------------------------------------------

vm_kernel_version() {
	sed -n 's,^# Linux/[^ ]* \(.*\) Kernel Configuration$,\1,p' "$VMGEN_KERNEL/config"
}

vm_qemu_version() {
	"$VMGEN_QEMU/bin/qemu-system-x86_64" --version | sed -n '1s/.*version \([^ ]*\).*/\1/p'
}

# --- The kernel's log ---------------------------------------------------------------

# Complaints as the kernel words them, at the beginning of a message: the banners
# of the debugging facilities, and CPU bugs that are only mentioned, do not match.
VM_COMPLAINTS='^(\[[^]]*\] *)*(WARNING: |BUG: |INFO: |Oops|UBSAN: |Kernel panic|general protection|stack segment|divide error|kernel BUG|------------\[ cut here|refcount_t: |kmemleak: [0-9]+ new suspected|rcu: INFO: |Call Trace|Initramfs unpacking failed|init: |agent: )|KASAN: |KCSAN: |possible (recursive|circular)|\[ BUG: '

vm_check_log() {
	local name=$1 complaints

	complaints=$(tr -d '\r' < "$VM_ROOT/$name/console.log" | grep -E -m5 "$VM_COMPLAINTS") || return 0
	vm_error "$name" "the kernel complained: $complaints"
	return 1
}

vm_check_logs() {
	local dir status=0

	for dir in "$VM_ROOT"/*/; do
		[[ ! -e $dir/console.log ]] || vm_check_log "$(basename "$dir")" || status=1
	done
	return "$status"
}
