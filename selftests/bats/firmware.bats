#!/usr/bin/env bats
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
#
# Firmware that describes a broken generation page: the driver says so once, counts
# in software, and the CRNG is reseeded all the same.
#
# QEMU describes a VMGenID without a counter page here; a table of ours adds CTRA to
# it.  The pages that CTRA points at are made by CTRA, in memory that the kernel is
# told to leave alone.

load helpers

readonly SCRATCH=0x06000000

# with_ctra BODY: boot with a method CTRA like that
with_ctra() {
	local table=$BATS_TEST_TMPDIR/ctra

	cat > "$table.asl" <<- END
		DefinitionBlock ("", "SSDT", 2, "VMGEN", "CTRA", 1)
		{
			External (\\_SB.VGEN, DeviceObj)
			External (\\_SB.VGEN.ADDR, MethodObj)
			Scope (\\_SB.VGEN)
			{
				OperationRegion (PAGE, SystemMemory, $SCRATCH, 0x20)
				Field (PAGE, DWordAcc, NoLock, Preserve)
				{
					MAGC, 32, SIZE, 32, VERS, 16, RSVD, 16, SEQC, 32,
					FLGL, 32, FLGH, 32, GENL, 32, GENH, 32
				}
				Method (CTRA, 0, Serialized)
				{
					MAGC = 0x43474d56
					SIZE = 0x20
					VERS = 1
					RSVD = 0
					SEQC = 0
					FLGL = 1
					FLGH = 0
					GENL = 7
					GENH = 0
					$1
				}
			}
		}
	END
	iasl -p "$table" "$table.asl" > "$table.log" || { cat "$table.log" >&2; return 1; }
	VM_APPEND="memmap=4K\$$SCRATCH" vm_boot vm software -acpitable "file=$table.aml"
}

scratch_page() {
	echo "$1 Return (Package () { $SCRATCH, 0 })"
}

complaints() {
	vm_run vm 'dmesg' | grep "generation page is unusable" || :
}

# What remains to work: the clone has a generation and an instance id of its own, and
# its kernel has reseeded.
still_counts_in_software() {
	local before

	genstat vm page read
	is "${G[page.hypervisor]}" 0 "hypervisor flag of the page"
	is "${G[read.hypervisor]}" 0 "hypervisor flag of read()"
	is "${G[read.generation]}" 1 "generation"
	before=${G[read.instance]}
	vm_save vm "$BATS_TEST_TMPDIR/snapshot"
	vm_restore clone "$BATS_TEST_TMPDIR/snapshot"
	vm_run clone 'until dmesg | grep -q "crng reseeded due to virtual machine fork"; do usleep 1000; done'
	genstat clone read
	is "${G[read.generation]}" 2 "generation of a clone"
	is "${G[read.reseeded]}" 1 "reseeded"
	isnt "${G[read.instance]}" "$before" "instance id of a clone"
}

# is_refused BODY REASON
is_refused() {
	with_ctra "$1"
	run -0 complaints
	is "${#lines[@]}" 1 "number of complaints"
	[[ ${lines[0]} == *"$2" ]] || { echo "reason: ${lines[0]}" >&2; return 1; }
	still_counts_in_software
}

@test "firmware: a page that is in order is used" {
	with_ctra "$(scratch_page "")"
	is "$(complaints)" "" "complaints"
	genstat vm page read
	is "${G[page.hypervisor]}" 1 "hypervisor flag"
	is "${G[page.generation]}" 7 "generation"
	is "${G[read.generation]}" 7 "read()"
}

@test "firmware: no CTRA is no error" {
	vm_restore vm "$FIXTURE/software"
	is "$(complaints)" "" "complaints"
	genstat vm read
	is "${G[read.hypervisor]}" 0 "hypervisor flag"
}

@test "firmware: CTRA returns no package" {
	is_refused 'Return ("nothing")' "CTRA returns no package"
}

@test "firmware: CTRA returns one element" {
	is_refused "Return (Package () { $SCRATCH })" "CTRA does not return two elements"
}

@test "firmware: CTRA returns strings" {
	is_refused 'Return (Package () { "low", "high" })' "CTRA returns something other than integers"
}

@test "firmware: CTRA fails" {
	is_refused "Return (DerefOf (Index (Package () { 0 }, 7)))" "CTRA cannot be evaluated"
}

@test "firmware: CTRA refers to what does not exist" {
	is_refused 'External (\_SB.NONE) Return (\_SB.NONE)' "CTRA cannot be evaluated"
}

@test "firmware: the address is not that of a page" {
	is_refused "Return (Package () { $SCRATCH + 8, 0 })" "its address is not that of a page"
}

@test "firmware: the page is that of the GUID" {
	is_refused 'Local0 = ADDR () Local1 = DerefOf (Local0[0]) & 0xfffff000
		Local2 = Package (2) {} Local2[0] = Local1 Local2[1] = DerefOf (Local0[1])
		Return (Local2)' "it shares a page with the GUID"
}

@test "firmware: the page is ordinary memory" {
	is_refused 'Return (Package () { 0x04000000, 0 })' "it lies in ordinary RAM"
}

@test "firmware: wrong magic number" {
	is_refused "$(scratch_page "MAGC = 0x56")" "its magic number is wrong"
}

@test "firmware: unknown version" {
	is_refused "$(scratch_page "VERS = 2")" "its version is not known"
}

@test "firmware: size too small" {
	is_refused "$(scratch_page "SIZE = 0x1f")" "its size is wrong"
}

@test "firmware: size larger than the page" {
	is_refused "$(scratch_page "SIZE = 0x1001")" "its size is wrong"
}

@test "firmware: generation 0" {
	is_refused "$(scratch_page "GENL = 0")" "its generation is 0"
}

@test "firmware: a page that is forever being written" {
	is_refused "$(scratch_page "SEQC = 1")" "it is being written while the VM runs"
}
