# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# shellcheck shell=bash
#
# Python in a guest: this machine's interpreter, with libvmgen and its binding, runs
# python-service.py.  To be sourced after vm.bash.
#
#   python_options DIR      build in DIR, print options for selftests/harness/initramfs
#   python_start NAME       start the service
#   python_draw NAME KIND   what its generators of KIND ("plain", "guarded", "asking")
#                           give, "name=value" lines

# The interpreter and whatever it has loaded for the service.
python_files() {
	python3 -S -E -c 'if True:
		import base64, ctypes, encodings, enum, hmac, random, secrets, sys, typing
		print(sys.executable)
		for module in list(sys.modules.values()):
		    if getattr(module, "__file__", None):
		        print(module.__file__)'
}

python_options() {
	local libvmgen=${LIBVMGEN:-$VM_TOP/libvmgen}

	make -s -C "$libvmgen" UAPI="$VM_TOP/kernel/include/uapi" BUILD="$1" "$1/libvmgen.so" >&2 || return
	python_files | sed 's/^/--with\n/'
	printf -- '--with\n%s\n' "$1/libvmgen.so.1:/usr/lib/libvmgen.so.1" \
		"$libvmgen/bindings/python/vmgen:/python/vmgen" \
		"$VM_TOP/selftests/harness/python-service.py:/python/service.py"
}

python_start() {
	local python

	python=$(python3 -c 'import sys; print(sys.executable)') &&
		vm_run "$1" "mkfifo /run/ask /run/answer && { $python -S -E /python/service.py > /run/log 2>&1 & }"
}

python_draw() {
	vm_run "$1" "echo $2 > /run/ask; cat /run/answer"
}
