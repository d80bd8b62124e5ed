# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
import errno
import random
import secrets as standard
import unittest

import vmgen
from vmgen import secrets
from vmgen.testing import Fault

from tests.support import CounterTest


class SecretsTest(CounterTest):
    def test_has_what_the_standard_module_has(self) -> None:
        for name in standard.__all__:
            self.assertTrue(callable(getattr(secrets, name)), name)

    def test_results_have_the_form_of_the_standard_module(self) -> None:
        for size in (None, 0, 1, 7, 64):
            self.assertEqual(
                len(secrets.token_bytes(size)), len(standard.token_bytes(size)), size
            )
            self.assertRegex(secrets.token_hex(size), r"\A([0-9a-f]{2})*\Z")
            self.assertEqual(len(secrets.token_hex(size)), len(standard.token_hex(size)))
            self.assertRegex(secrets.token_urlsafe(size), r"\A[A-Za-z0-9_-]*\Z")
            self.assertEqual(len(secrets.token_urlsafe(size)), len(standard.token_urlsafe(size)))

    def test_numbers_are_in_range_and_reach_its_ends(self) -> None:
        numbers = secrets.SystemRandom()
        self.assertEqual({secrets.randbelow(3) for _ in range(400)}, {0, 1, 2})
        self.assertEqual({secrets.randbits(2) for _ in range(400)}, {0, 1, 2, 3})
        self.assertEqual({secrets.choice("ab") for _ in range(100)}, {"a", "b"})
        self.assertEqual(secrets.randbits(0), 0)
        self.assertTrue(any(secrets.randbits(65) >> 64 for _ in range(100)))
        drawn = [numbers.random() for _ in range(400)]
        self.assertTrue(0 <= min(drawn) < 0.1 and 0.9 < max(drawn) < 1)
        with self.assertRaises(ValueError):
            secrets.randbelow(0)
        with self.assertRaises(ValueError):
            secrets.randbits(-1)
        with self.assertRaises(ValueError):
            numbers.randbytes(-1)

    def test_is_drawn_anew_each_time(self) -> None:
        self.assertEqual(len({secrets.token_bytes(16) for _ in range(100)}), 100)
        self.assertIsInstance(secrets.SystemRandom(), random.SystemRandom)

    def test_fails_where_nobody_vouches(self) -> None:
        self.counter.bump()
        self.counter.fault(Fault.GARBAGE)
        for draw in (
            secrets.token_bytes,
            secrets.token_hex,
            secrets.token_urlsafe,
            secrets.SystemRandom().random,
            lambda: secrets.randbelow(10),
            lambda: secrets.randbits(10),
            lambda: secrets.choice("abc"),
            lambda: vmgen.getrandom(4),
        ):
            with self.assertRaises(OSError) as caught:
                draw()
            self.assertNotEqual(caught.exception.errno, errno.ENOSYS)

    def test_goes_on_there_when_told_to(self) -> None:
        self.counter.bump()
        self.counter.fault(Fault.GARBAGE)
        self.assertEqual(len(secrets.token_bytes(16, unverified=True)), 16)
        self.assertEqual(len(vmgen.getrandom(16, unverified=True)), 16)
        self.assertTrue(0 <= secrets.SystemRandom(unverified=True).random() < 1)


if __name__ == "__main__":
    unittest.main()
