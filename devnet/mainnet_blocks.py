"""Real blocks of Bitcoin's main network, to read in tests and to measure on. They are found or fetched, never committed.

Block 413567 is part of Bitcoin Core's own benchmarks, in the source package that ``make bitcoind`` builds from; it is
fetched once into the cache. Other blocks are used where somebody has laid them into ``../shared/data/blocks``.
"""

from __future__ import annotations

import fcntl
import shutil
import tarfile
import tempfile
from pathlib import Path

from devnet.bitcoind_binary import cache_directory
from devnet.build_bitcoind import SOURCE_NAME, BuildError, download

LAID_OUT = Path(__file__).resolve().parents[2] / "shared" / "data" / "blocks"
FETCHED_HEIGHT = 413567
_MEMBER = f"{SOURCE_NAME}/depend/bitcoin/src/bench/data/block{FETCHED_HEIGHT}.raw"


class NoBlock(Exception):
    """The block could not be fetched; the message says why."""


def block_path(height: int) -> Path | None:
    """The file with the raw block of the main network at ``height``; None when it is neither laid out nor in the cache."""
    name = f"mainnet-{height}.raw"
    return next((path for path in (LAID_OUT / name, _cached(name)) if path.is_file()), None)


def available(*heights: int) -> dict[int, Path]:
    """The files of those of ``heights`` that are there."""
    return {height: path for height in heights if (path := block_path(height)) is not None}


def fetch() -> Path:
    """The file with block 413567, out of the package index if it is nowhere nearer; a few seconds, once.

    Raises:
        NoBlock: the package index gave nothing, or something else than the package whose SHA-256 is pinned.
    """
    found = block_path(FETCHED_HEIGHT)
    if found is not None:
        return found
    target = _cached(f"mainnet-{FETCHED_HEIGHT}.raw")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Test processes start side by side: one of them fetches, the others find the file.
    with (target.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_file():
            _fetch_into(target)
    return target


def _cached(name: str) -> Path:
    return cache_directory() / "blocks" / name


def _fetch_into(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetch-") as scratch:
        try:
            archive = download(Path(scratch))
        except BuildError as error:
            raise NoBlock(str(error)) from error
        with tarfile.open(archive) as package:
            source = package.extractfile(_MEMBER)
            if source is None:
                raise NoBlock(f"the source package holds no {_MEMBER}")
            part = Path(scratch) / "part"
            with part.open("wb") as stream:
                shutil.copyfileobj(source, stream)
        part.replace(target)


if __name__ == "__main__":
    print(fetch())
