# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
# shellcheck disable=SC2016 # what is in single quotes is for the guest's shell
#
# OpenSSL in a guest: programs of this machine, with the provider (KIND "guarded") and
# as Debian configures them ("plain").  To be sourced after vm.bash.
#
#   openssl_prepare [OPTION...]  build the initramfs that this needs
#   openssl_serve NAME KIND      start a TLS server, and use it once
#   openssl_hello NAME KIND      what it says first to a new client: "random=", "share="
#                                and "ticket=" (its initialization vector)
#   openssl_stream NAME KIND     start "openssl rand", which then waits for a reader
#   openssl_next NAME KIND       16 bytes that it has yet to draw
#   openssl_threads NAME KIND    start rand-threads, and use it once
#   openssl_draw NAME KIND       what it draws, "name=value" lines

openssl_prepare() {
	VMGEN_INITRAMFS=$("$VM_TOP/selftests/harness/openssl-initramfs" "$@") || return
	export VMGEN_INITRAMFS
}

# Prefix of a command in the guest.
openssl_env() {
	[[ $1 != guarded ]] || echo 'OPENSSL_CONF=/etc/ssl/vmgen.cnf'
}

# Under emulation the arithmetic of certificates takes most of the time, so both sides
# know a key; the key shares are ephemeral all the same.
OPENSSL_PSK=000102030405060708090a0b0c0d0e0f

openssl_serve() {
	local name=$1 kind=$2

	vm_run "$name" "cd /run && { $(openssl_env "$kind") openssl s_server -unix /run/$kind.tls -nocert \
			-psk $OPENSSL_PSK -www < /dev/null > $kind.log 2>&1 & }
		until grep -qs ACCEPT $kind.log; do usleep 10000; done" &&
		openssl_hello "$name" "$kind" > /dev/null
}

# A client draws from the kernel when it starts.
openssl_hello() {
	vm_run "$1" "printf 'GET / HTTP/1.0\r\n\r\n' | timeout ${VM_TIMEOUT} openssl s_client -unix /run/$2.tls \
		-psk $OPENSSL_PSK -tls1_3 -groups X25519 -msg -ign_eof 2> /dev/null" |
		openssl_messages | openssl_values
}

# "NAME HEX" for each message that the server sent.
openssl_messages() {
	awk '
		function end() { if (name) print name, hex; name = hex = "" }
		/^    [0-9a-f][0-9a-f]( |$)/ { gsub(" ", ""); hex = hex $0; next }
		{ end() }
		/^<<< TLS 1.3, Handshake/ { name = $NF }
		END { end() }'
}

# Where the values are in messages of TLS 1.3, RFC 8446.
openssl_values() {
	local name hex ticket=''

	while read -r name hex; do
		case $name in
		ServerHello)
			echo "random=${hex:12:64}"
			[[ $hex =~ 00330024001d0020([0-9a-f]{64}) ]] && echo "share=${BASH_REMATCH[1]}" ;;
		NewSessionTicket)
			# Past the nonce; behind the 16 bytes of the name of the key.
			[[ -n $ticket ]] || ticket=${hex:$((26 + 2 * 16#${hex:24:2} + 4 + 32)):32} ;;
		esac
	done
	[[ -z $ticket ]] || echo "ticket=$ticket"
}

# It draws until the pipe is full.
openssl_stream() {
	vm_run "$1" "cd /run && mkfifo $2.fifo && { sleep 1000000 < $2.fifo > /dev/null 2>&1 & } &&
		{ $(openssl_env "$2") openssl rand 2147483647 < /dev/null > $2.fifo 2> $2.err & }
		head -c 1000000 $2.fifo > /dev/null"
}

# Behind what is in the pipe and in the program's buffer.
openssl_next() {
	vm_run "$1" "head -c 200000 /run/$2.fifo | tail -c 16 | od -An -v -tx1 | tr -d ' \n'"
}

openssl_threads() {
	vm_run "$1" "cd /run && mkfifo $2.ask && { $(openssl_env "$2") rand-threads $2.ask $2.drawn \
		< /dev/null > $2.err 2>&1 & }" && openssl_draw "$1" "$2" > /dev/null
}

openssl_draw() {
	vm_run "$1" "cd /run && rm -f $2.drawn && echo -n x > $2.ask &&
		until test -e $2.drawn; do usleep 10000; done; cat $2.drawn"
}
