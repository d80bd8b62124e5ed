# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""A counter for tests: no root, no virtual machine.

    with vmgen.testing.Counter() as counter:
        ...
        counter.bump()      # the machine has just been restored
"""

import enum
import os

from vmgen import _lib


class Fault(enum.IntEnum):
    """See vmgen_test_fault(3)."""

    RESTORE = 0
    TEAR = 1
    WEDGE = 2
    REMOVE = 3
    DENY = 4
    GARBAGE = 5
    VERSION = 6
    SHRINK = 7
    SHORT = 8


class Counter:
    """Within the with statement, the only counter of this process."""

    def __init__(self, flags: int = 0) -> None:
        self._fd = _lib.check(_lib.test_create(flags))

    def __enter__(self) -> "Counter":
        _lib.check(_lib.test_install(self._fd))
        return self

    def __exit__(self, *_exception: object) -> None:
        # Without an open file to look at, the library looks for a real counter.
        _lib.check(_lib.test_install(-1))
        os.close(self._fd)

    def bump(self) -> None:
        """The machine was restored: the next generation."""
        _lib.check(_lib.test_bump(self._fd))

    def ready(self) -> None:
        """The kernel has got ready for it by itself."""
        _lib.check(_lib.test_ready(self._fd))

    def set(self, generation: int) -> None:
        _lib.check(_lib.test_set(self._fd, generation))

    def fault(self, fault: Fault) -> None:
        _lib.check(_lib.test_fault(self._fd, fault))

    @property
    def reads(self) -> int:
        """How often the device was read."""
        return _lib.check(_lib.test_reads(self._fd))
