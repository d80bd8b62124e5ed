# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# Debian's sshd, unchanged, with the provider.  It forks, enters a chroot and a filter
# that kills, and draws its first random bytes for the key exchange there.  Each key
# exchange that sshd and ssh have must lead to a session, without a counter and with one.
#
# No port is opened: ssh starts "sshd -i" for each session and talks to it by a pipe.
set -eu

# shellcheck source=libvmgen/test/lib/services.sh
# shellcheck source=libvmgen/test/lib/services.sh
. ../test/lib/services.sh
[ -z "${WRAPPER:-}" ] || { echo "another program makes system calls of its own"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "this takes root"; exit 77; }
if [ -z "${OWN_MOUNTS:-}" ]; then
	unshare --mount true 2> /dev/null || { echo "a mount namespace cannot be made here"; exit 77; }
	OWN_MOUNTS=1 exec unshare --mount --propagation private sh "$0"
fi

services openssh-server openssh-client
sshd=$SERVICES/usr/sbin/sshd
ssh=$SERVICES/usr/bin/ssh
can_run "$ssh"
can_run "$sshd"
command -v ssh-keygen > /dev/null || PATH=$SERVICES/usr/bin:$PATH
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "$*" >&2
	exit 1
}

# What Debian's package makes when it is installed: a user, and a folder that is empty.
prepare_machine() {
	cp /etc/passwd "$dir/passwd"
	sed -i '/^sshd:/d' "$dir/passwd"
	echo 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin' >> "$dir/passwd"
	mount --bind "$dir/passwd" /etc/passwd
	mount -t tmpfs tmpfs /run
	mkdir -m 755 /run/sshd
}

prepare_server() {
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host"
	ssh-keygen -q -t ecdsa -N '' -f "$dir/key"
	cat > "$dir/config" <<-END
		HostKey $dir/host
		AuthorizedKeysFile $dir/key.pub
		StrictModes no
		UsePAM no
		PidFile none
		KexAlgorithms $("$ssh" -Q kex | paste -s -d ,)
	END
	# Since OpenSSH 9.8 two of its parts are programs of their own.
	[ ! -x "$SERVICES/usr/lib/openssh/sshd-session" ] ||
		echo "SshdSessionPath $SERVICES/usr/lib/openssh/sshd-session" >> "$dir/config"
	[ ! -x "$SERVICES/usr/lib/openssh/sshd-auth" ] ||
		echo "SshdAuthPath $SERVICES/usr/lib/openssh/sshd-auth" >> "$dir/config"
}

# What ssh has and sshd admits to: that it was told to offer it does not make it do so.
exchanges() {
	"$ssh" -Q kex | sort > "$dir/ours"
	"$sshd" -T -f "$dir/config" | sed -n 's/^kexalgorithms //p' | tr , '\n' | sort > "$dir/theirs"
	comm -12 "$dir/ours" "$dir/theirs"
}

# session CONFIGURATION EXCHANGE COMMAND...: by a server that COMMAND starts
session() {
	configuration=$1 exchange=$2
	shift 2
	OPENSSL_CONF=/dev/null timeout 60 "$ssh" -F none -i "$dir/key" -o IdentitiesOnly=yes \
		-o KexAlgorithms="$exchange" -o StrictHostKeyChecking=no -o BatchMode=yes \
		-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
		-o ProxyCommand="env OPENSSL_CONF='$configuration' $* '$sshd' -i -e -f '$dir/config' 2> '$dir/log'" \
		root@localhost echo it works 2> "$dir/client" < /dev/null
}

# requiring VALUE: the configuration, with "require = VALUE"
requiring() {
	sed "s/^require = .*/require = $1/" "$CONFIG" > "$dir/$1.cnf"
	echo "$dir/$1.cnf"
}

# every_exchange WHAT REQUIRE COMMAND...
every_exchange() {
	what=$1 done=0 failed=
	configuration=$(requiring "$2")
	shift 2
	for exchange in $(exchanges); do
		done=$((done + 1))
		[ "$(session "$configuration" "$exchange" "$@")" = "it works" ] || {
			failed="$failed $exchange"
			sed "s|^|$what, $exchange: |" "$dir/log" "$dir/client"
		}
	done
	[ "$done" -ge 8 ] || fail "only $done key exchanges: $(exchanges)"
	[ -z "$failed" ] || fail "$what, no session by:$failed"
}

export LD_LIBRARY_PATH="$BUILD:$LD_LIBRARY_PATH" OPENSSL_MODULES="$BUILD/openssl"
prepare_machine
prepare_server

# A counter of the kind, from when sshd has closed what it does not know.
counter="LD_PRELOAD='$BUILD/openssl/test/lib/late-counter.so' COUNTER"

# That sshd works without the provider, uses it, and has a counter when it is given one.
[ "$(session /dev/null ecdh-sha2-nistp256)" = "it works" ] ||
	fail "sshd does not work without the provider: $(cat "$dir/log" "$dir/client")"
[ -z "$(session "$(requiring nonsense)" ecdh-sha2-nistp256 "$counter=software")" ] ||
	fail "sshd does not use the provider"
[ -z "$(session "$(requiring ready)" ecdh-sha2-nistp256 "$counter=vmclock")" ] ||
	fail "sshd does not use the counter"

every_exchange "no counter" none
every_exchange "a counter of the hypervisor" ready "$counter=hypervisor"
every_exchange "a counter in software mode" ready "$counter=software"
every_exchange "vmclock" counter "$counter=vmclock"
every_exchange "sysgenid" counter "$counter=sysgenid"
