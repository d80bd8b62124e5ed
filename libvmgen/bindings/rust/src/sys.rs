// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! libvmgen as it is: what vmgen.h and vmgen-test.h declare.

use std::os::raw::{c_int, c_uint, c_void};

#[repr(C)]
#[derive(Debug)]
pub struct VmgenGuard {
    pub epoch: *const u64,
    pub last: *const u64,
    pub reason: u32,
    pub process: u32,
    pub flags: u32,
}

#[repr(C)]
#[derive(Debug, Default)]
pub struct VmgenInfo {
    pub generation: u64,
    pub flags: u64,
    pub instance_id: [u8; 16],
    pub backend: u32,
    pub reserved32: u32,
    pub reserved: [u64; 3],
}

pub type Reseed = unsafe extern "C" fn(*mut c_void) -> c_int;

pub const UNVERIFIED: c_uint = 1;

#[link(name = "vmgen")]
extern "C" {
    pub fn vmgen_guard_init(g: *mut VmgenGuard);
    pub fn vmgen_changed(g: *mut VmgenGuard) -> bool;
    pub fn vmgen_begin(g: *mut VmgenGuard, reseed: Reseed, ctx: *mut c_void) -> u64;
    pub fn vmgen_retry(g: *const VmgenGuard, e: u64) -> bool;
    pub fn vmgen_reason(g: *const VmgenGuard) -> c_uint;
    pub fn vmgen_status() -> c_int;
    pub fn vmgen_sync(ret: *mut VmgenInfo) -> c_int;
    pub fn vmgen_getrandom(buf: *mut c_void, size: usize, flags: c_uint) -> c_int;
    pub fn vmgen_test_create(flags: c_uint) -> c_int;
    pub fn vmgen_test_install(fd: c_int) -> c_int;
    pub fn vmgen_test_bump(fd: c_int) -> c_int;
    pub fn vmgen_test_fault(fd: c_int, fault: c_int) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;
    use std::mem::{size_of, size_of_val, MaybeUninit};
    use std::ptr::addr_of;

    macro_rules! describe {
        ($text:ident, $name:literal, $kind:ty: $($field:ident),*) => {
            writeln!($text, "{} {}", $name, size_of::<$kind>()).unwrap();
            let it = MaybeUninit::<$kind>::zeroed();
            // SAFETY: all bytes zero is a value of these structures.
            let it = unsafe { it.assume_init_ref() };
            $(writeln!(
                $text,
                "{} {} {}",
                stringify!($field),
                addr_of!(it.$field) as usize - it as *const $kind as usize,
                size_of_val(&it.$field)
            ).unwrap();)*
        };
    }

    /// VMGEN_LAYOUT is what bindings/layout.c prints.
    #[test]
    fn structures_are_those_of_the_header() {
        let expected = match std::env::var("VMGEN_LAYOUT") {
            Ok(expected) => expected,
            Err(_) => return eprintln!("VMGEN_LAYOUT is not set"),
        };
        let mut text = String::new();
        describe!(text, "vmgen_guard", VmgenGuard: epoch, last, reason, process, flags);
        describe!(text, "struct vmgen_info", VmgenInfo:
            generation, flags, instance_id, backend, reserved32, reserved);
        assert_eq!(text.trim_end(), expected.trim_end());
    }
}
