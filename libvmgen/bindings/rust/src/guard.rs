// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! Guards: has this piece of state been carried into another epoch?

use std::any::Any;
use std::fmt;
use std::mem::MaybeUninit;
use std::ops::BitOr;
use std::os::raw::{c_int, c_void};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

use crate::sys;

/// Why the last change of a guard was reported; several may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason(u32);

impl Reason {
    /// First use.
    pub const FIRST: Reason = Reason(1);
    /// The generation has changed.
    pub const RESTORE: Reason = Reason(2);
    /// A child that has not looked since `fork()`.
    pub const FORK: Reason = Reason(4);
    /// The counter was replaced, is gone, or could not be checked.
    pub const UNKNOWN: Reason = Reason(8);

    pub fn contains(self, other: Reason) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Reason {
    type Output = Reason;

    fn bitor(self, other: Reason) -> Reason {
        Reason(self.0 | other.0)
    }
}

/// Remembers the epoch that one piece of state belongs to: one generation of the
/// machine and one process.  It is neither `Clone` nor shared: whoever may change the
/// state holds the guard mutably, too.
pub struct Guard {
    raw: sys::VmgenGuard,
}

// SAFETY: a guard has no thread of its own; it points at memory of the library that is
// never unmapped and that every thread may read.
unsafe impl Send for Guard {}

impl Guard {
    pub fn new() -> Guard {
        let mut raw = MaybeUninit::uninit();
        // SAFETY: vmgen_guard_init() writes every field.
        unsafe {
            sys::vmgen_guard_init(raw.as_mut_ptr());
            Guard { raw: raw.assume_init() }
        }
    }

    /// True on first use and once after each change.  When it is true, the kernel's
    /// generator is already reseeded, where the counter tells (`Info::crng_reseeded`).
    pub fn changed(&mut self) -> bool {
        // SAFETY: the guard is initialised, and ours alone.
        unsafe { sys::vmgen_changed(&mut self.raw) }
    }

    /// Why the last change was reported.
    pub fn reason(&self) -> Reason {
        // SAFETY: the guard is initialised, and nobody writes to it.
        Reason(unsafe { sys::vmgen_reason(&self.raw) })
    }

    /// The epoch in which the state is good, after `reseed` if that was needed.  A
    /// reseed that fails or panics leaves the state stale.
    pub fn begin<E>(&mut self, reseed: impl FnMut() -> Result<(), E>) -> Result<Epoch, E> {
        let mut call = Call { reseed, failed: None };
        // SAFETY: the guard is ours alone, and `call` outlives the call that gets it.
        let epoch = unsafe {
            sys::vmgen_begin(&mut self.raw, call.function(), (&mut call as *mut Call<_, E>).cast())
        };
        match call.failed {
            None => Ok(Epoch(epoch)),
            Some(Failure::Error(error)) => Err(error),
            Some(Failure::Panic(payload)) => resume_unwind(payload),
        }
    }

    /// Whether what was made since `begin` returned `epoch` must be thrown away.
    pub fn retry(&self, epoch: Epoch) -> bool {
        // SAFETY: an epoch is only ever made by vmgen_begin(), and stays readable.
        unsafe { sys::vmgen_retry(&self.raw, epoch.0) }
    }
}

impl Default for Guard {
    fn default() -> Guard {
        Guard::new()
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// One epoch as [`Guard::begin`] saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(u64);

enum Failure<E> {
    Error(E),
    Panic(Box<dyn Any + Send>),
}

/// A closure on its way through C, which no panic may unwind.
struct Call<F, E> {
    reseed: F,
    failed: Option<Failure<E>>,
}

impl<F: FnMut() -> Result<(), E>, E> Call<F, E> {
    fn function(&self) -> sys::Reseed {
        reseed_from_c::<F, E>
    }
}

/// # Safety
/// The caller passes a `Call<F, E>` that nobody else uses meanwhile.
unsafe extern "C" fn reseed_from_c<F, E>(ctx: *mut c_void) -> c_int
where
    F: FnMut() -> Result<(), E>,
{
    let call = unsafe { &mut *ctx.cast::<Call<F, E>>() };
    let reseed = &mut call.reseed;
    // Unwind safe: what a panic leaves behind counts as stale.
    let failure = match catch_unwind(AssertUnwindSafe(reseed)) {
        Ok(Ok(())) => return 0,
        Ok(Err(error)) => Failure::Error(error),
        Err(payload) => Failure::Panic(payload),
    };
    call.failed = Some(failure);
    -1
}

/// A value that belongs to one epoch, and is made anew in the next.
///
/// ```no_run
/// # struct Prng; impl Prng { fn new(_: [u8; 32]) -> Prng { Prng } fn draw(&mut self) -> u64 { 4 } }
/// let mut prng = vmgen::Guarded::new(|| {
///     let mut seed = [0; 32];
///     vmgen::getrandom(&mut seed)?;
///     Ok::<_, std::io::Error>(Prng::new(seed))
/// });
/// let number = prng.run(|prng| prng.draw())?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Guarded<T, F> {
    guard: Guard,
    make: F,
    value: Option<T>,
}

impl<T, F> Guarded<T, F> {
    /// `make` returns a value made of fresh entropy; nothing is made yet.
    pub fn new<E>(make: F) -> Guarded<T, F>
    where
        F: FnMut() -> Result<T, E>,
    {
        Guarded { guard: Guard::new(), make, value: None }
    }

    /// What `produce` returns, if it was made in the epoch of the value.
    ///
    /// It is called again when there was a change meanwhile, with a new value, so it
    /// must not let anything out by another way.  An error is one of `make`.
    pub fn run<R, E>(&mut self, mut produce: impl FnMut(&mut T) -> R) -> Result<R, E>
    where
        F: FnMut() -> Result<T, E>,
    {
        let Guarded { guard, make, value } = self;
        loop {
            let epoch = guard.begin(|| {
                // A make() that panics must not leave the old value to be found.
                *value = None;
                *value = Some(make()?);
                Ok(())
            })?;
            let result = produce(value.as_mut().expect("begin() has made it"));
            if !guard.retry(epoch) {
                return Ok(result);
            }
        }
    }

    /// Why the value was last made anew.
    pub fn reason(&self) -> Reason {
        self.guard.reason()
    }
}

impl<T, F> fmt::Debug for Guarded<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}
