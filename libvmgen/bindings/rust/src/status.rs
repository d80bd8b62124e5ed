// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! What the library tells about itself, and the kernel's random bytes.

use std::io;
use std::os::raw::{c_int, c_uint};

use crate::sys;

/// What stands between this process and an unnoticed restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// There is a counter, and it was just checked.
    Active,
    /// Changes are told late, and there is no counter.
    NotifyOnly,
    /// This machine has no counter, or it has vanished.
    Absent,
    /// It has one that this process may not open.
    Denied,
    /// It has one that cannot be trusted or checked.
    Broken,
}

/// Where the counter comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    Vmgenctr,
    Vmclock,
    Sysgenid,
    Uevent,
    Test,
    None,
}

/// What [`sync`] found out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    pub generation: u64,
    /// Public, and different between the siblings restored from one snapshot.
    pub instance_id: [u8; 16],
    pub backend: Backend,
    /// The page is written by the hypervisor before any virtual CPU runs.
    pub hypervisor: bool,
    /// The kernel's generator was reseeded for this generation.
    pub crng_reseeded: bool,
    /// `fork()` starts a new epoch, too.
    pub fork: bool,
}

/// What is negative is an errno value.
pub(crate) fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        Err(io::Error::from_raw_os_error(-result))
    } else {
        Ok(result)
    }
}

/// What protects this process, freshly checked.
pub fn status() -> Status {
    // SAFETY: it takes nothing.
    match unsafe { sys::vmgen_status() } {
        0 => Status::Active,
        1 => Status::NotifyOnly,
        2 => Status::Absent,
        3 => Status::Denied,
        _ => Status::Broken,
    }
}

fn backend(number: u32) -> Backend {
    match number {
        1 => Backend::Vmgenctr,
        2 => Backend::Vmclock,
        3 => Backend::Sysgenid,
        4 => Backend::Uevent,
        5 => Backend::Test,
        _ => Backend::None,
    }
}

/// The generation for which the kernel is ready, freshly checked.
///
/// Errors: there is no counter (`NotFound`), it may not be opened (`PermissionDenied`),
/// it has gone, or it cannot be trusted.
pub fn sync() -> io::Result<Info> {
    let mut info = sys::VmgenInfo::default();
    // SAFETY: it writes one structure.
    check(unsafe { sys::vmgen_sync(&mut info) })?;
    Ok(Info {
        generation: info.generation,
        instance_id: info.instance_id,
        backend: backend(info.backend),
        hypervisor: info.flags & 1 != 0,
        crng_reseeded: info.flags & 2 != 0,
        fork: info.flags & 4 != 0,
    })
}

fn fill(buffer: &mut [u8], flags: c_uint) -> io::Result<()> {
    // SAFETY: it writes as many bytes as the buffer has.
    check(unsafe { sys::vmgen_getrandom(buffer.as_mut_ptr().cast(), buffer.len(), flags) })?;
    Ok(())
}

/// Random bytes of the kernel that belong to this generation and this process; an
/// error (`Unsupported`, or as [`sync`]) where nobody vouches for that.
pub fn getrandom(buffer: &mut [u8]) -> io::Result<()> {
    fill(buffer, 0)
}

/// The same, and where nobody vouches for it, the kernel's bytes as they are.
pub fn getrandom_unverified(buffer: &mut [u8]) -> io::Result<()> {
    fill(buffer, sys::UNVERIFIED)
}
