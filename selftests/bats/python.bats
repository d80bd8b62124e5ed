#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# The Python binding in machines that are restored: a process of this machine's Python,
# with libvmgen, that has drawn from all of its generators before the snapshot.  What can
# be tested without a machine is tested with the binding.

load helpers

readonly CLONES='a b c'

# Answers each time that something is written to /run/ask.
service() {
	cat <<-'PYTHON'
		# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
		import random
		import sys
		sys.path.insert(0, "/python")
		import vmgen, vmgen.random, vmgen.secrets

		vmgen.guard_random()
		plain = random.Random()
		guarded = vmgen.random.Random()

		def draw():
		    yield "plain", plain.getrandbits(128)
		    yield "gauss.plain", plain.gauss(0, 1)
		    yield "guarded", guarded.getrandbits(128)
		    yield "gauss.guarded", guarded.gauss(0, 1)
		    yield "module", random.getrandbits(128)
		    yield "secret", vmgen.secrets.token_hex(16)
		    yield "generation", vmgen.sync().generation

		while True:
		    with open("/run/ask") as ask:
		        ask.read()
		    text = "".join(f"{name}={value}\n" for name, value in draw())
		    with open("/run/answer", "w") as answer:
		        answer.write(text)
	PYTHON
}

# The interpreter and whatever it has loaded for the service.
python_files() {
	python3 -S -E -c 'if True:
		import base64, ctypes, encodings, enum, hmac, random, sys, typing
		print(sys.executable)
		for module in list(sys.modules.values()):
		    if getattr(module, "__file__", None):
		        print(module.__file__)'
}

prepare() {
	local build=$BATS_FILE_TMPDIR/build binding=${LIBVMGEN:-$VM_TOP/libvmgen}/bindings/python/vmgen
	local -a with=()
	local file

	make -s -C "${LIBVMGEN:-$VM_TOP/libvmgen}" UAPI="$VM_TOP/kernel/include/uapi" \
		BUILD="$build" "$build/libvmgen.so" >&2 || return
	service > "$BATS_FILE_TMPDIR/service.py"
	while read -r file; do
		with+=(--with "$file")
	done < <(python_files)
	VMGEN_INITRAMFS=$("$VM_TOP/selftests/harness/initramfs" "${with[@]}" \
		--with "$build/libvmgen.so.1:/usr/lib/libvmgen.so.1" --with "$binding:/python/vmgen" \
		--with "$BATS_FILE_TMPDIR/service.py:/service.py") || return
	export VMGEN_INITRAMFS
}

ask() {
	vm_run "$1" 'echo > /run/ask; cat /run/answer'
}

setup_file() {
	local clone

	export ANSWERS=$BATS_FILE_TMPDIR PYTHON
	PYTHON=$(python3 -c 'import sys; print(sys.executable)')
	prepare
	vm_init
	export VM_MEMORY=256	# the interpreter, twice: the kernel unpacks it
	vm_boot warm hypervisor
	vm_run warm "mkfifo /run/ask /run/answer && { $PYTHON -S -E /service.py > /run/log 2>&1 & }"
	ask warm > "$ANSWERS/warm"
	vm_save warm "$ANSWERS/snapshot"
	vm_check_log warm
	vm_stop warm
	for clone in $CLONES; do
		vm_restore "$clone" "$ANSWERS/snapshot"
		ask "$clone" > "$ANSWERS/$clone"
		vm_check_log "$clone"
		vm_stop "$clone"
	done
	vm_cleanup
}

teardown_file() {
	rm -f "$ANSWERS/snapshot"*
}

# are DIFFERENT NAME: of the three values, so many are different
are() {
	local clone values

	values=$(for clone in $CLONES; do sed -n "s/^$2=//p" "$ANSWERS/$clone"; done)
	is "$(grep -c . <<< "$values")" 3 "number of values of $2"
	is "$(sort -u <<< "$values" | wc -l)" "$1" "different values of $2"
}

@test "python: random.Random of clones goes on with the same numbers" {
	are 1 plain
	are 1 gauss.plain
	are 1 generation
}

@test "python: vmgen.random.Random, the guarded module and vmgen.secrets give each clone its own" {
	are 3 guarded
	are 3 gauss.guarded
	are 3 module
	are 3 secret
}
