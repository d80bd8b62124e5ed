# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""Guards: has this piece of state been carried into another epoch?"""

import ctypes
from typing import Callable, Generic, Optional, Tuple, TypeVar

from vmgen import _lib

T = TypeVar("T")
R = TypeVar("R")

# vmgen_begin() wants to call something.  Not Python: an exception that a signal raises on
# the way through C would be lost, and a reseed that was not done be taken for done.
_NOTHING = ctypes.cast(ctypes.pythonapi.Py_IsInitialized, ctypes.c_void_p)


class Guard:
    """Remembers the epoch that one piece of state belongs to.

    Whatever lock protects the state protects the guard.  A guard that is copied, or
    pickled, would vouch for a state that it does not know, so it cannot be.
    """

    __slots__ = ("_at", "_epoch", "_guard", "_reseed")

    def __init__(self, reseed: Optional[Callable[[], object]] = None) -> None:
        """reseed is what begin() calls first in each epoch."""
        self._guard = _lib.GuardStruct()
        self._at = ctypes.addressof(self._guard)
        self._epoch = 0
        self._reseed = reseed
        _lib.guard_init(self._at)

    def __reduce__(self) -> str:
        raise TypeError("a guard belongs to the state beside it, and cannot be copied")

    def changed(self) -> bool:
        """True on first use, and once after each change.

        When it is true, the kernel's generator is already reseeded, where the
        counter tells (CRNG_RESEEDED); vmgen.secrets insists on it.
        """
        return _lib.changed(self._at)

    def begin(self) -> int:
        """The epoch in which the state is good, after reseed() if that was needed.

        What reseed() raises is raised here, and the state counts as stale.
        """
        epoch = _lib.begin(self._at, _NOTHING, None)
        if epoch == self._epoch:
            return epoch
        self._call_reseed()
        if self.retry(epoch):
            return self.begin()
        # Where nobody can check, the guard says so; the next begin() reseeds again.
        self._epoch = 0 if _lib.changed(self._at) else epoch
        return epoch

    def _call_reseed(self) -> None:
        try:
            if self._reseed is not None:
                self._reseed()
        except BaseException:
            _lib.guard_init(self._at)
            raise

    def retry(self, epoch: int) -> bool:
        """Whether what was made since begin() returned epoch must be thrown away."""
        return _lib.retry(self._at, epoch)

    @property
    def reason(self) -> _lib.Reason:
        """Why the last change was reported."""
        return _lib.Reason(_lib.reason(self._at))


class Guarded(Generic[T]):
    """A value that belongs to one epoch, and is made anew in the next.

    Threads share it without a lock, and a signal handler may use it: a value and its
    epoch are replaced together, so whoever was interrupted while he made one cannot
    put it where another epoch's is expected.  Each of several threads that notice a
    change at once may make a value; one of these stays.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        """make() returns a value made of fresh entropy; nothing is made yet."""
        self._make = make
        self._made: Optional[Tuple[Guard, int, T]] = None

    def run(self, use: Callable[[T], R]) -> R:
        """What use(value) returns, if it was made in the epoch of the value.

        use() is called again when there was a change meanwhile, with a new value, so
        it must not let anything out by another way.
        """
        guard, epoch, value = self._current()
        while True:
            result = use(value)
            if not guard.retry(epoch):
                return result
            guard, epoch, value = self._renew()

    def _current(self) -> Tuple[Guard, int, T]:
        made = self._made
        if made is None or made[0].retry(made[1]):
            return self._renew()
        return made

    def _renew(self) -> Tuple[Guard, int, T]:
        """The epoch first, then the entropy: a change in between is noticed."""
        guard = Guard()
        epoch = guard.begin()
        made = guard, epoch, self._make()
        # begin() lets one use go on where nobody could check, and retry() does not
        # know; the guard does.
        self._made = None if guard.changed() else made
        return made
