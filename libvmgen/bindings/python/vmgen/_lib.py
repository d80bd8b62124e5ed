# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""libvmgen as it is: what vmgen.h declares, errors as OSError."""

import ctypes
import enum
import os
from typing import NamedTuple

SONAME = "libvmgen.so.1"


class Status(enum.IntEnum):
    """What stands between this process and an unnoticed restore."""

    ACTIVE = 0  # there is a counter, and it was just checked
    NOTIFY_ONLY = 1  # changes are told late, and there is no counter
    ABSENT = 2  # this machine has no counter, or it has vanished
    DENIED = 3  # it has one that this process may not open
    BROKEN = 4  # it has one that cannot be trusted or checked


class Reason(enum.IntFlag):
    """Why the last change of a guard was reported."""

    FIRST = 1  # first use
    RESTORE = 2  # the generation changed
    FORK = 4  # this process is a child that had not looked since fork()
    UNKNOWN = 8  # the counter was replaced, has vanished or could not be checked


class InfoFlag(enum.IntFlag):
    HYPERVISOR = 1  # the page is written by the hypervisor before any vCPU runs
    CRNG_RESEEDED = 2  # the kernel's generator was reseeded for this generation
    FORK = 4  # fork() starts a new epoch too


class Backend(enum.IntEnum):
    NONE = 0
    VMGENCTR = 1
    VMCLOCK = 2
    SYSGENID = 3
    UEVENT = 4
    TEST = 5


class Info(NamedTuple):
    """What sync() found out."""

    generation: int
    flags: InfoFlag
    instance_id: bytes
    backend: Backend


class GuardStruct(ctypes.Structure):
    _fields_ = [
        ("epoch", ctypes.c_void_p),
        ("last", ctypes.c_void_p),
        ("reason", ctypes.c_uint32),
        ("process", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    ]


class InfoStruct(ctypes.Structure):
    _fields_ = [
        ("generation", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
        ("instance_id", ctypes.c_uint8 * 16),
        ("backend", ctypes.c_uint32),
        ("reserved32", ctypes.c_uint32),
        ("reserved", ctypes.c_uint64 * 3),
    ]


# vmgen_getrandom()
UNVERIFIED = 1

try:
    _library = ctypes.CDLL(SONAME)
    # To release the interpreter's lock costs more than what these two do.
    _held = ctypes.PyDLL(SONAME)
except OSError as error:
    raise ImportError(f"the library {SONAME} is missing: {error}") from error


def _function(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype = result
    function.argtypes = arguments
    return function


guard_init = _function(_held, "vmgen_guard_init", None, ctypes.c_void_p)
changed = _function(_held, "vmgen_changed", ctypes.c_bool, ctypes.c_void_p)
retry = _function(_held, "vmgen_retry", ctypes.c_bool, ctypes.c_void_p, ctypes.c_uint64)
begin = _function(
    _library, "vmgen_begin", ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)
reason = _function(_held, "vmgen_reason", ctypes.c_uint, ctypes.c_void_p)
_status = _function(_library, "vmgen_status", ctypes.c_int)
_sync = _function(_library, "vmgen_sync", ctypes.c_int, ctypes.POINTER(InfoStruct))
_getrandom = _function(
    _library, "vmgen_getrandom", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint
)
test_create = _function(_library, "vmgen_test_create", ctypes.c_int, ctypes.c_uint)
test_install = _function(_library, "vmgen_test_install", ctypes.c_int, ctypes.c_int)
test_bump = _function(_library, "vmgen_test_bump", ctypes.c_int, ctypes.c_int)
test_ready = _function(_library, "vmgen_test_ready", ctypes.c_int, ctypes.c_int)
test_set = _function(_library, "vmgen_test_set", ctypes.c_int, ctypes.c_int, ctypes.c_uint64)
test_fault = _function(_library, "vmgen_test_fault", ctypes.c_int, ctypes.c_int, ctypes.c_int)
test_reads = _function(_library, "vmgen_test_reads", ctypes.c_int, ctypes.c_int)


def check(result: int) -> int:
    """What is negative is an errno value."""
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


def status() -> Status:
    """What protects this process, freshly checked."""
    return Status(_status())


def sync() -> Info:
    """The generation for which the kernel is ready, freshly checked.

    OSError: there is no counter (ENOENT), it may not be opened (EACCES), it has gone
    (ENODEV), or it cannot be trusted.
    """
    info = InfoStruct()
    check(_sync(info))
    return Info(
        info.generation, InfoFlag(info.flags), bytes(info.instance_id), Backend(info.backend)
    )


def getrandom(size: int, *, unverified: bool = False) -> bytes:
    """Random bytes of the kernel that belong to this generation and this process.

    OSError: nobody vouches for that (EOPNOTSUPP), or as sync().  With unverified, the
    kernel's bytes are good enough where nobody does, such as on a machine without a
    counter.
    """
    buffer = ctypes.create_string_buffer(size) if size else b""
    check(_getrandom(buffer, size, UNVERIFIED if unverified else 0))
    return bytes(buffer)
