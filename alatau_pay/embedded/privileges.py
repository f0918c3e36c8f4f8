"""Running a server that refuses to run as root, when we are root.

The server runs as the account ``nobody``. It keeps one capability, reading directories that it does not own, because a
clone below ``/root`` or in a private temporary directory would otherwise hide the server's own binaries from it.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from pathlib import Path

ACCOUNT = "nobody"

_PR_SET_KEEPCAPS = 8
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_READ_SEARCH = 2
_CAPABILITY_VERSION_3 = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilitySets(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def is_root() -> bool:
    """Whether this process runs as the superuser."""
    return os.geteuid() == 0


def give_away(directory: Path) -> None:
    """Make the unprivileged account the owner of a directory and of what is in it."""
    account = pwd.getpwnam(ACCOUNT)
    for path in [directory, *directory.rglob("*")]:
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


def drop() -> None:
    """Become the unprivileged account. Called in the child, between fork and exec."""
    account = pwd.getpwnam(ACCOUNT)
    if sys.platform == "linux":
        # Without the second, access(2), by which PostgreSQL looks for its own programs, would not heed the capability.
        _libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        _libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    if sys.platform == "linux":
        _keep_reading_directories()


def _keep_reading_directories() -> None:
    # Where a container withholds the capability these calls fail, and the server starts if its directories are public.
    bit = 1 << _CAP_DAC_READ_SEARCH
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    sets = (_CapabilitySets * 2)(_CapabilitySets(bit, bit, bit), _CapabilitySets(0, 0, 0))
    _libc.capset(ctypes.byref(header), ctypes.byref(sets))
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH, 0, 0)
