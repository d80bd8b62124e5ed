# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""Notice that this machine was restored from a snapshot, or that this process forked.

    guard = vmgen.Guard()           # one per cache, pool, generator

    if guard.changed():             # true on first use and once after each change
        cache.clear()

    tokens = vmgen.Guarded(make)    # made anew in each epoch, shared by threads
    token = tokens.run(draw)        # what comes out was drawn in one epoch

    vmgen.guard_random()            # random.random() and the like, in one line

An epoch is what lies between two changes: one generation of the machine and one
process.  See also vmgen.random, vmgen.secrets and, for tests, vmgen.testing.

Not guaranteed: a snapshot that is taken after the last check duplicates what was
checked.  Check right before the point of no return.
"""

from vmgen._lib import (
    Backend,
    Info,
    InfoFlag,
    Reason,
    Status,
    getrandom,
    status,
    sync,
)
from vmgen.guard import Guard, Guarded

__all__ = [
    "Backend",
    "Guard",
    "Guarded",
    "Info",
    "InfoFlag",
    "Reason",
    "Status",
    "getrandom",
    "guard_random",
    "status",
    "sync",
]


def guard_random() -> None:
    """Make the functions of the module random notice changes, in the whole process.

    They draw from a generator seeded by the kernel in this epoch, and from a new one
    in the next.  Whoever calls random.seed(x) or random.setstate() wants numbers that
    can be had again, and gets them until random.seed() is called without argument.

    Call it early: what was imported before with ``from random import random``, or
    getrandbits, gauss, seed, getstate or setstate, is the old function.
    """
    from vmgen.random import install

    install()
