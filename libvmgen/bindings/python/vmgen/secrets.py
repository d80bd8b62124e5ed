# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""The module secrets, with bytes that belong to this generation and this process.

Each function gives what that of the standard library gives, but raises OSError where
nobody vouches that the kernel's generator was reseeded since this machine started to
run from saved state.  SystemRandom(unverified=True) and the argument of the token
functions go on there, as the module secrets does.
"""

import base64
import random
from hmac import compare_digest
from typing import Any, Optional

from vmgen import _lib

__all__ = [
    "DEFAULT_ENTROPY",
    "SystemRandom",
    "choice",
    "compare_digest",
    "randbelow",
    "randbits",
    "token_bytes",
    "token_hex",
    "token_urlsafe",
]

DEFAULT_ENTROPY = 32


class SystemRandom(random.SystemRandom):
    """random.SystemRandom whose source is vmgen.getrandom()."""

    def __init__(self, *, unverified: bool = False) -> None:
        super().__init__()
        self._unverified = unverified

    def random(self) -> float:
        """A number in [0.0, 1.0) of 53 bits, as many as a float holds."""
        return (int.from_bytes(self.randbytes(7), "big") >> 3) * 2.0**-53

    def getrandbits(self, k: int, /) -> int:
        if k < 0:
            raise ValueError("number of bits must be non-negative")
        size = (k + 7) // 8
        return int.from_bytes(self.randbytes(size), "big") >> (size * 8 - k)

    def randbytes(self, n: int) -> bytes:
        return _lib.getrandom(n, unverified=self._unverified)


_system = SystemRandom()
choice = _system.choice
randbits = _system.getrandbits


def randbelow(exclusive_upper_bound: int) -> int:
    """A number in [0, exclusive_upper_bound)."""
    if exclusive_upper_bound <= 0:
        raise ValueError("Upper bound must be positive.")
    return _system.randrange(exclusive_upper_bound)


def token_bytes(nbytes: Optional[int] = None, *, unverified: bool = False) -> bytes:
    size = DEFAULT_ENTROPY if nbytes is None else nbytes
    return _lib.getrandom(size, unverified=unverified)


def token_hex(nbytes: Optional[int] = None, *, unverified: bool = False) -> str:
    return token_bytes(nbytes, unverified=unverified).hex()


def token_urlsafe(nbytes: Optional[int] = None, *, unverified: bool = False) -> str:
    token: Any = base64.urlsafe_b64encode(token_bytes(nbytes, unverified=unverified))
    return token.rstrip(b"=").decode("ascii")
