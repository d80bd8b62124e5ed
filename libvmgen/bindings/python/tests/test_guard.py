# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
import copy
import errno
import pickle
import threading
import unittest
from typing import List, Tuple

import vmgen
from vmgen import Reason
from vmgen.testing import Counter, Fault

from tests.support import CounterTest


class GuardTest(CounterTest):
    def test_first_use_is_a_change(self) -> None:
        guard = vmgen.Guard()
        self.assertTrue(guard.changed())
        self.assertEqual(guard.reason, Reason.FIRST)
        self.assertFalse(guard.changed())

    def test_each_guard_sees_a_restore_once(self) -> None:
        one, two = vmgen.Guard(), vmgen.Guard()
        one.changed(), two.changed()
        self.counter.bump()
        self.assertTrue(one.changed())
        self.assertEqual(one.reason, Reason.RESTORE)
        self.assertFalse(one.changed())
        self.assertTrue(two.changed())

    def test_a_child_sees_fork_and_the_parent_does_not(self) -> None:
        self.need_fork_detection()
        guard = vmgen.Guard()
        guard.changed()

        def check() -> None:
            self.assertTrue(guard.changed())
            self.assertEqual(guard.reason, Reason.FORK)
            self.assertFalse(guard.changed())

        self.in_child(check)
        self.assertFalse(guard.changed())

    def test_begin_reseeds_once_in_each_epoch(self) -> None:
        reseeded: List[int] = []
        guard = vmgen.Guard(lambda: reseeded.append(1))
        epoch = guard.begin()
        self.assertEqual(guard.begin(), epoch)
        self.assertFalse(guard.retry(epoch))
        self.assertEqual(len(reseeded), 1)
        self.counter.bump()
        self.assertTrue(guard.retry(epoch))
        self.assertFalse(guard.retry(guard.begin()))
        self.assertEqual(len(reseeded), 2)

    def test_a_reseed_that_raises_leaves_the_state_stale(self) -> None:
        outcome: List[BaseException] = [ValueError("no entropy"), KeyboardInterrupt()]

        def reseed() -> None:
            if outcome:
                raise outcome.pop(0)

        guard = vmgen.Guard(reseed)
        with self.assertRaisesRegex(ValueError, "no entropy"):
            guard.begin()
        with self.assertRaises(KeyboardInterrupt):
            guard.begin()
        self.assertTrue(guard.changed())
        self.assertFalse(guard.retry(guard.begin()))

    def test_a_restore_during_the_reseed_makes_another(self) -> None:
        reseeded: List[int] = []

        def reseed() -> None:
            reseeded.append(vmgen.sync().generation)
            if len(reseeded) < 3:
                self.counter.bump()

        guard = vmgen.Guard(reseed)
        epoch = guard.begin()
        self.assertEqual(reseeded, [1, 2, 3])
        self.assertFalse(guard.retry(epoch))
        self.assertEqual(guard.begin(), epoch)
        self.assertEqual(len(reseeded), 3)

    def test_what_cannot_be_checked_is_reseeded_each_time(self) -> None:
        reseeded: List[int] = []
        guard = vmgen.Guard(lambda: reseeded.append(1))
        self.counter.bump()
        self.counter.fault(Fault.GARBAGE)
        for _ in range(3):
            self.assertFalse(guard.retry(guard.begin()))
        self.assertEqual(len(reseeded), 3)
        self.assertTrue(guard.reason & Reason.UNKNOWN)

    def test_cannot_be_copied(self) -> None:
        with self.assertRaises(TypeError):
            copy.copy(vmgen.Guard())
        with self.assertRaises(TypeError):
            pickle.dumps(vmgen.Guard())


class GuardedTest(CounterTest):
    def setUp(self) -> None:
        super().setUp()
        self.made = 0

    def make(self) -> Tuple[int, int]:
        self.made += 1
        return self.made, vmgen.sync().generation

    def test_is_made_when_used_and_kept_in_the_epoch(self) -> None:
        guarded = vmgen.Guarded(self.make)
        self.assertEqual(self.made, 0)
        self.assertEqual([guarded.run(lambda value: value[0]) for _ in range(3)], [1, 1, 1])

    def test_is_made_anew_after_a_restore(self) -> None:
        guarded = vmgen.Guarded(self.make)
        guarded.run(lambda value: value)
        self.counter.bump()
        self.assertEqual(guarded.run(lambda value: value), (2, 2))

    def test_is_made_anew_after_fork(self) -> None:
        self.need_fork_detection()
        guarded = vmgen.Guarded(self.make)
        self.assertEqual(guarded.run(lambda value: value[0]), 1)
        self.in_child(lambda: self.assertEqual(guarded.run(lambda value: value[0]), 2))
        self.assertEqual(guarded.run(lambda value: value[0]), 1)

    def test_nothing_used_across_a_restore_comes_out(self) -> None:
        guarded = vmgen.Guarded(self.make)
        seen: List[int] = []

        def use(value: Tuple[int, int]) -> int:
            seen.append(value[1])
            if len(seen) == 1:
                self.counter.bump()
            return value[1]

        self.assertEqual(guarded.run(use), 2)
        self.assertEqual(seen, [1, 2])

    def test_a_restore_while_it_is_made_is_noticed(self) -> None:
        def make() -> Tuple[int, int]:
            value = self.make()
            if value[0] == 1:
                self.counter.bump()
            return value

        self.assertEqual(vmgen.Guarded(make).run(lambda value: value), (2, 2))

    def test_a_make_that_raises_is_asked_again(self) -> None:
        guarded = vmgen.Guarded(self.make)
        guarded.run(lambda value: value)
        self.counter.bump()
        self.counter.fault(Fault.GARBAGE)
        with self.assertRaises(OSError):
            guarded.run(lambda value: value)
        self.counter.fault(Fault.RESTORE)
        self.assertEqual(guarded.run(lambda value: value[1]), 2)

    def test_what_cannot_be_checked_is_made_for_each_use(self) -> None:
        guarded = vmgen.Guarded(lambda: object())
        self.counter.bump()
        self.counter.fault(Fault.GARBAGE)
        one, two = guarded.run(lambda value: value), guarded.run(lambda value: value)
        self.assertIsNot(one, two)
        self.counter.fault(Fault.RESTORE)
        self.assertIs(guarded.run(lambda value: value), guarded.run(lambda value: value))

    def test_a_late_thread_does_not_bring_back_an_old_value(self) -> None:
        """It took its entropy before the restore, and is done after another's use."""
        taken, make_on, using, use_on = (threading.Event() for _ in range(4))
        generations: List[int] = []

        def make() -> Tuple[int, int]:
            value = self.make()
            if value[0] == 1:
                taken.set()
                self.assertTrue(make_on.wait(60))
            return value

        def use(value: Tuple[int, int]) -> int:
            using.set()
            self.assertTrue(use_on.wait(60))
            return value[1]

        guarded = vmgen.Guarded(make)
        late = threading.Thread(target=lambda: generations.append(guarded.run(use)))
        late.start()
        self.assertTrue(taken.wait(60))
        self.counter.bump()
        self.assertEqual(guarded.run(lambda value: value[1]), 2)
        make_on.set()
        self.assertTrue(using.wait(60))
        self.assertEqual(guarded.run(lambda value: value[1]), 2)
        use_on.set()
        late.join(60)
        self.assertEqual(generations, [2])


class StatusTest(CounterTest):
    def test_sync_tells_what_was_checked(self) -> None:
        before = vmgen.sync()
        self.assertEqual((before.generation, before.backend), (1, vmgen.Backend.TEST))
        self.assertTrue(before.flags & vmgen.InfoFlag.CRNG_RESEEDED)
        self.counter.bump()
        after = vmgen.sync()
        self.assertEqual(after.generation, 2)
        self.assertEqual(len(after.instance_id), 16)
        self.assertNotEqual(before.instance_id, after.instance_id)

    def test_status_tells_what_is_wrong(self) -> None:
        self.assertIs(vmgen.status(), vmgen.Status.ACTIVE)
        self.counter.fault(Fault.GARBAGE)
        self.assertIs(vmgen.status(), vmgen.Status.BROKEN)
        with self.assertRaises(OSError):
            vmgen.sync()

    def test_errors_are_those_of_the_system(self) -> None:
        self.counter.fault(Fault.DENY)
        with Counter() as other:
            other.fault(Fault.REMOVE)
            with self.assertRaises(FileNotFoundError):
                # Installed anew, it is as if it had never been there.
                other.__enter__()
                vmgen.sync()
            self.assertIs(vmgen.status(), vmgen.Status.ABSENT)
            other.fault(Fault.DENY)
            with self.assertRaises(PermissionError) as caught:
                vmgen.sync()
            self.assertEqual(caught.exception.errno, errno.EACCES)
            self.assertIs(vmgen.status(), vmgen.Status.DENIED)


if __name__ == "__main__":
    unittest.main()
