# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# A worker draws random bytes with the provider and uses guards under the seccomp filters
# of Debian's own services, made stricter: what they refuse with an error kills here.
#
# The filters are those of unit files, in which systemd's names stand for sets of calls,
# and the one that chronyd installs itself.  No service is installed.  chronyd has no
# OpenSSL, so it runs only to show which filter it has.
set -eu

# shellcheck source=libvmgen/test/lib/services.sh
# shellcheck source=libvmgen/test/lib/services.sh
. ../test/lib/services.sh
[ -z "${WRAPPER:-}" ] || { echo "another program makes system calls of its own"; exit 77; }
[ "$(uname -m)" = x86_64 ] || { echo "the numbers of system calls are those of x86-64"; exit 77; }
services chrony redis-server systemd systemd-resolved systemd-timesyncd
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
filtered=$BUILD/openssl/test/lib/filtered
fail() {
	echo "$*" >&2
	exit 1
}

# That of the package, where systemd is not installed.
[ -n "$SERVICES" ] || { echo "a source tarball downloads no services"; exit 77; }
analyze=$(command -v systemd-analyze) || analyze=$SERVICES/usr/bin/systemd-analyze
can_run "$analyze"
"$analyze" syscall-filter > "$dir/sets" 2> /dev/null || fail "$analyze does not work"
export LD_LIBRARY_PATH="$BUILD" OPENSSL_MODULES="$BUILD/openssl" OPENSSL_CONF="$CONFIG"

# The names of the calls that a unit allows, a line each.  The first line says whether the
# list is one of what is allowed or of what is not; later ones add to it or take away.
allowed_by() {
	awk '
		function expand(name, to, on,    list, n, i) {
			sub(/:.*/, "", name)
			if (name !~ /^@/) {
				if (on) to[name] = 1
				else delete to[name]
				return
			}
			n = split(members[name], list, " ")
			if (!n) {
				print "there is no set " name > "/dev/stderr"
				exit 1
			}
			for (i = 1; i <= n; i++) expand(list[i], to, on)
		}
		NR == FNR && /^@/ { set = $1 }
		NR == FNR && /^ +[^# ]/ { members[set] = members[set] " " $1 }
		NR == FNR { next }
		sub(/^SystemCallFilter=/, "") {
			minus = sub(/^~ */, "")
			if (!first++) {
				denies = minus
				if (!denies) expand("@default", list, 1)
			}
			n = split($0, words, " ")
			for (i = 1; i <= n; i++) expand(words[i], list, minus == denies)
		}
		END {
			if (denies) {
				expand("@known", all, 1)
				for (name in list) delete all[name]
				for (name in all) print name
			} else {
				for (name in list) print name
			}
		}' "$dir/sets" "$1"
}

# Their numbers on this architecture, which does not have them all.
numbers() {
	sed 's/.*/CALL SYS_&/' | $CC -E -P -include sys/syscall.h - | sed -n 's/^CALL \([0-9][0-9]*\)$/\1/p'
}

# try WHAT FILE
try() {
	"$filtered" try "$2" > "$dir/said" 2>&1 || {
		cat "$dir/said"
		failed="$failed $1"
	}
}

failed='' units=0
grep -rl '^SystemCallFilter=' "$SERVICES" --include='*.service' | sort > "$dir/units"
while read -r unit; do
	allowed_by "$unit" | numbers > "$dir/numbers"
	[ "$(wc -l < "$dir/numbers")" -gt 100 ] || fail "$unit allows no more than: $(cat "$dir/numbers")"
	# shellcheck disable=SC2046 # a list of numbers
	"$filtered" allow $(cat "$dir/numbers") > "$dir/filter"
	try "${unit##*/}" "$dir/filter"
	units=$((units + 1))
done < "$dir/units"
[ "$units" -ge 8 ] || fail "only $units units have a filter"

# As far as chronyd goes: with OpenSSL's own needs, and nothing that looks for files.
# shellcheck disable=SC2046 # a list of numbers
"$filtered" allow $(printf '%s\n' read write exit exit_group getrandom getpid mmap munmap \
	brk futex | numbers) > "$dir/filter"
try "read-write-exit-getrandom" "$dir/filter"

# The filter of chronyd.  It serves nobody: no port, no clock to set, no network.
own_filter() {
	chronyd=$SERVICES/usr/sbin/chronyd
	printf '%s\n' 'port 0' 'cmdport 0' "bindcmdaddress $dir/socket" "pidfile $dir/pid" > "$dir/conf"
	(unset OPENSSL_CONF && exec unshare --mount --net "$chronyd" -d -x -F 1 -u root -f "$dir/conf") \
		> "$dir/said" 2>&1 &
	server=$!
	until grep -q 'Loaded seccomp filter' "$dir/said"; do
		kill -0 "$server" 2> /dev/null || fail "chronyd does not run: $(cat "$dir/said")"
	done
	status=0
	"$filtered" of "$(cat "$dir/pid")" > "$dir/filter" || status=$?
	kill "$server"
	wait "$server" || :
	return $status
}

! ldd "$SERVICES/usr/sbin/chronyd" | grep -q libcrypto ||
	fail "chronyd uses OpenSSL by now: run it with the provider"
if [ "$(id -u)" = 0 ] && own_filter; then
	try "chronyd -F 1" "$dir/filter"
else
	echo "without the filter that chronyd installs: this takes root, and ptrace()"
fi
[ -z "$failed" ] || fail "killed, or without bytes, under the filter of:$failed"
