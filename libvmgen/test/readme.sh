# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=sh
# The program in README.md is whole, compiles by the line below it, and ends: without a
# counter, with one in any state, when the machine is restored, and when there are no
# random bytes.
set -eu

readme=../README.md
[ -f "$readme" ] || { echo "a source tarball of the library has no README.md"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

die() {
	echo "$*"
	exit 1
}

# A newcomer copies what stands between the fences, so each such block is a program.
[ "$(grep -c '^```c$' "$readme")" = 1 ] || die "README.md has more or less than one block of C"
awk '/^```$/ { on = 0 } on { print } /^```c$/ { on = 1 }' "$readme" > "$scratch/token.c"
line=$(awk '/^```c$/ { on = 1 } on && /^    / { sub(/^ +/, ""); print; exit }' "$readme")
install=$(sed -n 's/^    \(make -C libvmgen install\).*/\1/p' "$readme")
[ -n "$install" ] || die "README.md does not say how to install the library"

# As installed, except that the folders are not those of this machine.
root=$scratch/root
(cd .. && $install -s BUILD="$BUILD" UAPI="$UAPI" CC="$CC" DESTDIR="$root" PREFIX=/usr LIBDIR=/usr/lib) \
	> /dev/null
export LD_LIBRARY_PATH="$root/usr/lib"
case $line in
"cc "*" && ./token") ;;
*) die "README.md compiles by another line than 'cc ... && ./token': $line" ;;
esac
line="$CC -Wall -Wextra -Werror -I$root/usr/include -L$root/usr/lib ${line#cc }"

# tokens FILE: three different ones, and nothing else
tokens() {
	[ "$(wc -l < "$1") $(sort -u "$1" | grep -cE '^[0-9a-f]{32}$')" = "3 3" ] ||
		{ cat "$1"; die "not three tokens"; }
}

cd "$scratch"
timeout 60 sh -c "$line" > tokens
tokens tokens
readelf -d token | grep -q 'libvmgen\.so\.1' || die "not linked to the shared library"

# Unchanged, on machines with a counter: whole, and with each of the faults.  A sanitizer's
# library wants to be the first, and can do without.
export ASAN_OPTIONS="verify_asan_link_order=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
for kind in '' software sysgenid; do
	for fault in 0 1 2 3 4 5 6 7 8; do
		# shellcheck disable=SC2016,SC2086 # expanded by the inner shell; no kind is no word
		"$BUILD/tools/test/counter" run $kind -- sh -c '
			"$0/tools/test/counter" bump && "$0/tools/test/counter" fault '$fault' 2> errors ||
				grep -q "Invalid argument" errors || exit 1
			LD_PRELOAD=$0/tools/test/preload.so timeout 10 ./token' "$BUILD" > tokens ||
			die "counter ${kind:-hypervisor}, fault $fault: exit status $?"
		tokens tokens
	done
done
cd - > /dev/null

# And its functions, where the test decides what the machine and the kernel do.
cat > "$scratch/harness.c" << 'C'
#include "test.h"

static int machine, failing;
static int while_filled, while_copied;	/* restores to come */

static int fill(void *buf, size_t size, unsigned int flags)
{
	int r = failing ? -EIO : vmgen_getrandom(buf, size, flags);

	if (while_filled && while_filled--)
		CHECK(vmgen_test_bump(machine) == 0);
	return r;
}

static void *copy(void *to, const void *from, size_t size)
{
	if (while_copied && while_copied--)
		CHECK(vmgen_test_bump(machine) == 0);
	return memmove(to, from, size);
}

#undef memcpy
#define vmgen_getrandom	fill
#define memcpy		copy
#define main		readme_main
int main(void);
#include "token.c"
#undef main
#undef memcpy
#undef vmgen_getrandom

static unsigned char siblings[64][16];	/* the pool that they have, too */

static bool is_siblings(const unsigned char token[16])
{
	int i;

	for (i = 0; i < 64; i++)
		if (memcmp(siblings[i], token, 16) == 0)
			return true;
	return false;
}

/* Each once, and more than one pool has. */
static void all_differ(void)
{
	static unsigned char all[3 * 64][16];
	int i, j;

	for (i = 0; i < 3 * 64; i++) {
		CHECK(new_token(all[i]) == 0);
		for (j = 0; j < i; j++)
			CHECK(memcmp(all[i], all[j], 16) != 0);
	}
}

static void a_restore_discards_the_pool(void)
{
	unsigned char token[16];
	int i;

	CHECK(new_token(token) == 0 && left > 0);
	memcpy(siblings, pool, sizeof(pool));
	CHECK(vmgen_test_bump(machine) == 0);
	for (i = 0; i < 64; i++)
		CHECK(new_token(token) == 0 && !is_siblings(token));
}

static void a_restore_while_it_is_refilled(void)
{
	unsigned char token[16];

	while (left)
		CHECK(new_token(token) == 0);
	while_filled = 1;
	CHECK(new_token(token) == 0 && while_filled == 0);
	CHECK(!vmgen_changed(&guard));
}

static void a_restore_while_a_token_is_copied(void)
{
	unsigned char token[16];

	CHECK(new_token(token) == 0 && left > 1);
	memcpy(siblings, pool, sizeof(pool));
	while_copied = 1;
	CHECK(new_token(token) == 0 && while_copied == 0);
	CHECK(!is_siblings(token) && !vmgen_changed(&guard));
}

static void a_child_discards_the_pool(void)
{
	unsigned char token[16];
	struct vmgen_info info;
	pid_t pid;

	CHECK(new_token(token) == 0 && left > 0 && vmgen_sync(&info) == 0);
	if (!(info.flags & VMGEN_INFO_FORK))
		return;
	memcpy(siblings, pool, sizeof(pool));
	pid = fork();
	if (pid == 0) {
		CHECK(new_token(token) == 0 && !is_siblings(token));
		_exit(0);
	}
	reap(pid);
}

/* An error, at once, when the pool is used up, after a restore, and on first use. */
static void without_random_bytes(void)
{
	unsigned char token[16];

	failing = 1;
	while (left)
		CHECK(new_token(token) == 0);
	CHECK(new_token(token) < 0 && new_token(token) < 0);
	failing = 0;
	CHECK(new_token(token) == 0);
	failing = 1;
	CHECK(vmgen_test_bump(machine) == 0);
	CHECK(vmgen_status() == VMGEN_ABSENT || new_token(token) < 0);
	vmgen_guard_init(&guard);
	CHECK(new_token(token) < 0 && readme_main() == 1);
	failing = 0;
	CHECK(new_token(token) == 0);
}

static void without_a_counter(void)
{
	CHECK(vmgen_test_fault(machine, VMGEN_TEST_REMOVE) == 0);
	CHECK(vmgen_test_install(machine) == 0);
	CHECK(vmgen_status() == VMGEN_ABSENT);
	vmgen_guard_init(&guard);
	all_differ();
	without_random_bytes();
}

int main(void)
{
	alarm(30);	/* a loop without an end is a failure */
	machine = counter(0);
	all_differ();
	a_restore_discards_the_pool();
	a_restore_while_it_is_refilled();
	a_restore_while_a_token_is_copied();
	a_child_discards_the_pool();
	without_random_bytes();
	without_a_counter();
	return 0;
}
C
$CC -D_GNU_SOURCE -std=c11 -Wall -Wextra -Werror -Iinclude -Itest -I"$scratch" -o "$scratch/harness" \
	"$scratch/harness.c" "$BUILD/libvmgen.a"
"$scratch/harness"
