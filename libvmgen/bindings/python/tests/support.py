# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""A fresh counter for each test, and children that must end well."""

import os
import traceback
import unittest
from typing import Callable

import vmgen
from vmgen.testing import Counter


class CounterTest(unittest.TestCase):
    def setUp(self) -> None:
        self.counter = Counter()
        self.counter.__enter__()
        self.addCleanup(self.counter.__exit__, None, None, None)

    def in_child(self, check: Callable[[], None]) -> None:
        """check() passes in the child of a fork()."""
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                check()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        self.assertEqual(status, 0, "the child failed; it says why above")

    def need_fork_detection(self) -> None:
        if not vmgen.sync().flags & vmgen.InfoFlag.FORK:
            self.skipTest("no MADV_WIPEONFORK here")
