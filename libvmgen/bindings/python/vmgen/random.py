# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""random.Random that is not the same in the clones of a machine, or after fork().

    from vmgen.random import Random

    numbers = Random()      # seeded by the kernel, again after each change
    numbers = Random(42)    # can be had again: as random.Random, unguarded

Each number belongs to one epoch.  A method that draws several, such as sample() or
shuffle(), may draw some before a change and some after it.

As random.Random, this is not for secrets; see vmgen.secrets.
"""

import random
from typing import Any, Optional, Tuple

from vmgen import _lib
from vmgen.guard import Guarded

__all__ = ["Random"]

# As much as the state of the generator holds.
_SEED_SIZE = 624 * 4


def _seeded() -> random.Random:
    """A generator of this epoch; without a counter, as good a one as can be had."""
    return random.Random(_lib.getrandom(_SEED_SIZE, unverified=True))


class Random(random.Random):
    """A random.Random that starts anew in each epoch, unless it was given a seed."""

    # None: the caller has chosen the state, which is then that of the base class.
    _guarded: Optional[Guarded[random.Random]] = None

    def seed(self, a: Any = None, version: int = 2) -> None:
        """With a seed, become reproducible; without, guarded."""
        super().seed(a, version)
        self._guarded = Guarded(_seeded) if a is None else None

    def random(self) -> float:
        if self._guarded is None:
            return super().random()
        return self._guarded.run(random.Random.random)

    def getrandbits(self, k: int, /) -> int:
        if self._guarded is None:
            return super().getrandbits(k)
        return self._guarded.run(lambda generator: generator.getrandbits(k))

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """The second number of a pair is kept for the next call: that is state too."""
        if self._guarded is None:
            return super().gauss(mu, sigma)
        return self._guarded.run(lambda generator: generator.gauss(mu, sigma))

    def getstate(self) -> Tuple[Any, ...]:
        if self._guarded is None:
            return super().getstate()
        return self._guarded.run(random.Random.getstate)

    def setstate(self, state: Tuple[Any, ...]) -> None:
        """Become reproducible: a state that is set is one that somebody wants again."""
        super().setstate(state)
        self._guarded = None


# What the module random binds to its hidden instance and is written above or in C;
# all the rest gets here through the instance.
_BOUND = ("seed", "random", "getrandbits", "gauss", "getstate", "setstate")


def install() -> None:
    """See vmgen.guard_random()."""
    # The instance stays, because methods such as choice() that others have imported
    # are bound to it.
    instance: Any = random._inst  # type: ignore[attr-defined]
    if isinstance(instance, Random):
        return
    instance._guarded = Guarded(_seeded)
    instance.__class__ = Random
    for name in _BOUND:
        setattr(random, name, getattr(instance, name))
