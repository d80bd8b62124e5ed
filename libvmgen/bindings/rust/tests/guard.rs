// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
//! On the test backend, which a process has only one of: the tests take turns.

use std::cell::Cell;
use std::io::{Error, ErrorKind};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Mutex, MutexGuard};

use vmgen::testing::{Counter, Fault};
use vmgen::{Backend, Guard, Guarded, Reason, Status};

static TURN: Mutex<()> = Mutex::new(());

struct Machine {
    counter: Counter,
    _turn: MutexGuard<'static, ()>,
}

fn machine() -> Machine {
    let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    Machine { counter: Counter::install().unwrap(), _turn: turn }
}

extern "C" {
    fn fork() -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    fn _exit(status: i32) -> !;
}

/// The child may do no more than what a signal handler may: check, and end.
fn holds_in_a_child(check: impl FnOnce() -> bool) -> bool {
    let mut status = -1;
    // SAFETY: see above; the parent waits for nothing else.
    unsafe {
        let pid = fork();
        if pid == 0 {
            _exit(if check() { 0 } else { 1 });
        }
        pid > 0 && waitpid(pid, &mut status, 0) == pid && status == 0
    }
}

#[test]
fn first_use_and_each_restore_are_seen_once() {
    let machine = machine();
    let mut guard = Guard::new();
    assert!(guard.changed());
    assert_eq!(guard.reason(), Reason::FIRST);
    assert!(!guard.changed());
    machine.counter.bump().unwrap();
    assert!(guard.changed());
    assert_eq!(guard.reason(), Reason::RESTORE);
    assert!(!guard.changed());
}

#[test]
fn a_guard_that_moved_is_the_same() {
    let machine = machine();
    let mut guard = Guard::new();
    guard.changed();
    let mut guard = std::thread::spawn(move || {
        assert!(!guard.changed());
        Box::new(guard)
    })
    .join()
    .unwrap();
    assert!(!guard.changed());
    machine.counter.bump().unwrap();
    assert!(guard.changed());
}

#[test]
fn a_child_sees_fork_and_the_parent_does_not() {
    let _machine = machine();
    if !vmgen::sync().unwrap().fork {
        return eprintln!("no MADV_WIPEONFORK here");
    }
    let mut guard = Guard::new();
    guard.changed();
    assert!(holds_in_a_child(|| guard.changed()
        && guard.reason() == Reason::FORK
        && !guard.changed()));
    assert!(!guard.changed());
}

#[test]
fn a_value_is_made_once_in_each_epoch() {
    let machine = machine();
    let mut made = 0;
    let mut guarded = Guarded::new(|| {
        made += 1;
        Ok::<_, ()>(made)
    });
    assert_eq!(guarded.run(|value| *value), Ok(1));
    assert_eq!(guarded.run(|value| *value), Ok(1));
    machine.counter.bump().unwrap();
    assert_eq!(guarded.run(|value| *value), Ok(2));
    assert!(guarded.reason().contains(Reason::RESTORE));
}

#[test]
fn nothing_used_across_a_restore_comes_out() {
    let machine = machine();
    let mut uses = Vec::new();
    let mut made = 0;
    let mut guarded = Guarded::new(|| {
        made += 1;
        Ok::<_, ()>(made)
    });
    let result = guarded.run(|value| {
        uses.push(*value);
        if uses.len() == 1 {
            machine.counter.bump().unwrap();
        }
        *value
    });
    assert_eq!(result, Ok(2));
    assert_eq!(uses, [1, 2]);
}

#[test]
fn a_make_that_fails_or_panics_leaves_nothing_to_use() {
    let machine = machine();
    let outcome = Cell::new("good");
    let mut made = 0;
    let mut guarded = Guarded::new(|| {
        made += 1;
        match outcome.get() {
            "good" => Ok(made),
            "error" => Err("no entropy"),
            _ => panic!("as the test wants it"),
        }
    });
    assert_eq!(guarded.run(|value| *value), Ok(1));
    machine.counter.bump().unwrap();
    outcome.set("error");
    assert_eq!(guarded.run(|value| *value), Err("no entropy"));
    outcome.set("panic");
    assert!(catch_unwind(AssertUnwindSafe(|| guarded.run(|value| *value))).is_err());
    outcome.set("good");
    assert_eq!(guarded.run(|value| *value), Ok(4));
    assert_eq!(guarded.run(|value| *value), Ok(4));
}

#[test]
fn what_cannot_be_checked_is_made_for_each_use() {
    let machine = machine();
    let mut made = 0;
    let mut guarded = Guarded::new(|| {
        made += 1;
        Ok::<_, ()>(made)
    });
    machine.counter.bump().unwrap();
    machine.counter.fault(Fault::Garbage).unwrap();
    assert_eq!(guarded.run(|value| *value), Ok(1));
    assert_eq!(guarded.run(|value| *value), Ok(2));
    assert!(guarded.reason().contains(Reason::UNKNOWN));
}

#[test]
fn begin_and_retry_by_hand() {
    let machine = machine();
    let mut guard = Guard::new();
    let mut reseeds = 0;
    let mut reseed = || {
        reseeds += 1;
        Ok::<_, Error>(())
    };
    let epoch = guard.begin(&mut reseed).unwrap();
    assert_eq!(guard.begin(&mut reseed).unwrap(), epoch);
    assert!(!guard.retry(epoch));
    machine.counter.bump().unwrap();
    assert!(guard.retry(epoch));
    assert_ne!(guard.begin(&mut reseed).unwrap(), epoch);
    assert_eq!(reseeds, 2);
}

#[test]
fn sync_and_status_tell_what_was_checked() {
    let machine = machine();
    let before = vmgen::sync().unwrap();
    assert_eq!((before.generation, before.backend), (1, Backend::Test));
    assert!(before.hypervisor && before.crng_reseeded);
    machine.counter.bump().unwrap();
    let after = vmgen::sync().unwrap();
    assert_eq!(after.generation, 2);
    assert_ne!(after.instance_id, before.instance_id);
    assert_eq!(vmgen::status(), Status::Active);
    machine.counter.fault(Fault::Garbage).unwrap();
    assert_eq!(vmgen::status(), Status::Broken);
    assert!(vmgen::sync().is_err());
}

#[test]
fn random_bytes_are_verified_or_refused() {
    let machine = machine();
    let (mut one, mut two) = ([0; 32], [0; 32]);
    vmgen::getrandom(&mut one).unwrap();
    vmgen::getrandom(&mut two).unwrap();
    assert_ne!(one, two);
    assert_ne!(one[16..], [0; 16]);
    machine.counter.bump().unwrap();
    machine.counter.fault(Fault::Garbage).unwrap();
    let error = vmgen::getrandom(&mut one).unwrap_err();
    assert_ne!(error.kind(), ErrorKind::InvalidInput);
    vmgen::getrandom_unverified(&mut two).unwrap();
    assert_ne!(one, two);
}
