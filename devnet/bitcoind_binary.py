"""Where Bitcoin Core's ``bitcoind`` is found. Only the standard library: the build runs before anything else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

CORE_PACKAGE = "py-bitcoinkernel"
CORE_PACKAGE_VERSION = "0.1.0a5"


def cache_directory() -> Path:
    """The directory outside the repository that keeps what is expensive to make."""
    named = os.environ.get("ALATAU_PAY_CACHE")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "alatau-pay"


def cached_bitcoind() -> Path:
    """Where ``make bitcoind`` puts the binary, whether or not it is there yet."""
    return cache_directory() / "bitcoind" / CORE_PACKAGE_VERSION / "bitcoind"


def find_bitcoind() -> Path | None:
    """The bitcoind to run: the one named by ``BITCOIND``, else the one on PATH, else the cached one.

    Raises FileNotFoundError when ``BITCOIND`` names no executable file: a wrong setting must not be
    answered by quietly running another node.
    """
    named = os.environ.get("BITCOIND")
    if named:
        resolved = shutil.which(named)
        if resolved is None:
            raise FileNotFoundError(f"BITCOIND={named} is not an executable file")
        return Path(resolved)
    on_path = shutil.which("bitcoind")
    if on_path:
        return Path(on_path)
    cached = cached_bitcoind()
    return cached if os.access(cached, os.X_OK) else None
