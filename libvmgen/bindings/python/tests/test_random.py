# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
import pickle
import random
import subprocess
import sys
import unittest
from typing import Callable, List

from vmgen.random import Random

from tests.support import CounterTest

DRAWS: List[Callable[[random.Random], object]] = [
    lambda r: r.random(),
    lambda r: r.getrandbits(64),
    lambda r: r.randbytes(8),
    lambda r: r.randrange(1 << 62),
    lambda r: r.uniform(0, 1),
    lambda r: r.gauss(0, 1),
    lambda r: r.normalvariate(0, 1),
    lambda r: r.sample(range(1 << 40), 3),
    lambda r: r.choices(range(1 << 40), k=3),
    lambda r: r.expovariate(1.0),
]


class RandomTest(CounterTest):
    def test_is_a_random_of_the_standard_library(self) -> None:
        numbers = Random()
        self.assertIsInstance(numbers, random.Random)
        self.assertTrue(all(0 <= numbers.random() < 1 for _ in range(1000)))
        self.assertEqual(sorted(numbers.sample(range(9), 9)), list(range(9)))
        self.assertTrue(all(0 <= numbers.randrange(10) < 10 for _ in range(1000)))
        with self.assertRaises(ValueError):
            numbers.getrandbits(-1)

    def test_continues_within_an_epoch(self) -> None:
        """It is a generator that is kept, and not one that is seeded for each number."""
        numbers = Random()
        numbers.random()
        expected = random.Random()
        expected.setstate(numbers.getstate())
        for draw in DRAWS:
            self.assertEqual(draw(numbers), draw(expected))

    def test_every_method_starts_anew_after_a_restore(self) -> None:
        for draw in DRAWS:
            numbers = Random()
            draw(numbers)
            sibling = random.Random()
            sibling.setstate(numbers.getstate())
            self.counter.bump()
            self.assertNotEqual(draw(numbers), draw(sibling))

    def test_the_second_number_of_gauss_is_not_carried_over(self) -> None:
        numbers = Random()
        numbers.gauss(0, 1)
        sibling = random.Random()
        sibling.setstate(numbers.getstate())
        self.assertIsNotNone(sibling.getstate()[2])
        self.counter.bump()
        self.assertNotEqual(numbers.gauss(0, 1), sibling.gauss(0, 1))

    def test_starts_anew_in_a_child(self) -> None:
        self.need_fork_detection()
        numbers = Random()
        numbers.random()
        sibling = random.Random()
        sibling.setstate(numbers.getstate())
        expected = sibling.random()
        self.in_child(lambda: self.assertNotEqual(numbers.random(), expected))
        self.assertEqual(numbers.random(), expected)

    def test_a_seed_makes_it_reproducible(self) -> None:
        numbers, expected = Random(42), random.Random(42)
        self.counter.bump()
        for draw in DRAWS:
            self.assertEqual(draw(numbers), draw(expected))

    def test_a_state_makes_it_reproducible(self) -> None:
        numbers = Random()
        state = numbers.getstate()
        numbers.setstate(state)
        self.counter.bump()
        first = numbers.random()
        numbers.setstate(state)
        self.assertEqual(numbers.random(), first)
        self.assertEqual(pickle.loads(pickle.dumps(numbers)).random(), numbers.random())

    def test_seed_without_argument_guards_again(self) -> None:
        numbers = Random(42)
        numbers.seed()
        sibling = random.Random()
        sibling.setstate(numbers.getstate())
        self.counter.bump()
        self.assertNotEqual(numbers.random(), sibling.random())


GUARDED_MODULE = """
import random
from random import choice, randbytes
import vmgen
from vmgen.testing import Counter

def draws():
    return [random.random(), random.getrandbits(64), random.gauss(0, 1), random.randbytes(8),
            random.sample(range(1 << 40), 2), choice(range(1 << 40)), randbytes(8)]

def differ(one, other):
    assert len(one) == len(other) and not any(a == b for a, b in zip(one, other)), (one, other)

with Counter() as counter:
    vmgen.guard_random()
    vmgen.guard_random()
    draws()
    state = random.getstate()
    counter.bump()
    after = draws()
    sibling = random.Random()
    random.setstate(state)
    same = draws()
    random.setstate(state)
    assert draws() == same
    differ(after, same)

    random.seed(42)
    counter.bump()
    seeded = draws()
    random.seed(42)
    assert draws() == seeded

    random.seed()
    state = random.getstate()
    counter.bump()
    after = draws()
    random.setstate(state)
    differ(after, draws())
    assert isinstance(random.SystemRandom().random(), float)
"""


class GuardRandomTest(unittest.TestCase):
    def test_the_functions_of_the_module_are_guarded(self) -> None:
        """In a process of its own, since it changes the module for good."""
        done = subprocess.run(
            [sys.executable, "-c", GUARDED_MODULE], stderr=subprocess.PIPE, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr.decode())


if __name__ == "__main__":
    unittest.main()
