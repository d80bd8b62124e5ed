// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Notice that this machine was restored from a snapshot, or that this process forked.
//!
//! ```no_run
//! let mut guard = vmgen::Guard::new(); // one per cache, pool, generator
//! # let mut cache = std::collections::HashMap::<u32, u32>::new();
//!
//! // true on first use and once after each change
//! if guard.changed() {
//!     cache.clear();
//! }
//! ```
//!
//! [`Guarded`] makes a value anew in each epoch, which is what lies between two changes:
//! one generation of the machine and one process.
//!
//! **Not guaranteed:** a snapshot that is taken after the last check duplicates what was
//! checked.  Check right before the point of no return.

#![warn(missing_debug_implementations, rust_2018_idioms, unsafe_op_in_unsafe_fn)]

mod guard;
mod status;
mod sys;
pub mod testing;

pub use guard::{Epoch, Guard, Guarded, Reason};
pub use status::{getrandom, getrandom_unverified, status, sync, Backend, Info, Status};
