// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! A counter for tests: no root, no virtual machine.

use std::fs::File;
use std::io;
use std::os::raw::c_int;
use std::os::unix::io::{AsRawFd, FromRawFd};

use crate::status::check;
use crate::sys;

/// What may go wrong with a counter; see vmgen_test_fault(3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No fault: whole again, in the same generation.
    Restore = 0,
    Tear = 1,
    Wedge = 2,
    Remove = 3,
    Deny = 4,
    Garbage = 5,
    Version = 6,
    Shrink = 7,
    Short = 8,
}

/// Until it is dropped, the only counter of this process.
#[derive(Debug)]
pub struct Counter {
    file: File,
}

impl Counter {
    pub fn install() -> io::Result<Counter> {
        // SAFETY: the descriptor that it returns is new, and ours alone.
        let file = unsafe { File::from_raw_fd(check(sys::vmgen_test_create(0))?) };
        // SAFETY: it looks at what the descriptor is.
        check(unsafe { sys::vmgen_test_install(file.as_raw_fd()) })?;
        Ok(Counter { file })
    }

    /// The machine was restored: the next generation.
    pub fn bump(&self) -> io::Result<()> {
        // SAFETY: the descriptor is a counter.
        check(unsafe { sys::vmgen_test_bump(self.file.as_raw_fd()) }).map(drop)
    }

    pub fn fault(&self, fault: Fault) -> io::Result<()> {
        // SAFETY: the descriptor is a counter.
        check(unsafe { sys::vmgen_test_fault(self.file.as_raw_fd(), fault as c_int) }).map(drop)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // SAFETY: without a descriptor to look at, the library looks for a real counter.
        unsafe { sys::vmgen_test_install(-1) };
    }
}
