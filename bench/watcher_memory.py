"""``python -m bench.watcher_memory BLOCK_FILE NETWORK``: read a block and look its outputs up, again and again; print the
most memory that took. A process of its own, since only a fresh one can say what its work needs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

TIMES = 10


def main(block_file: str, slug: str) -> None:
    """Print ``{"peak_mb": …}``."""
    import django

    django.setup()
    from chains import watched
    from chains.bitcoin.transfers import read_block, read_header

    for _ in range(TIMES):
        raw = Path(block_file).read_bytes()
        block = read_block(raw, expected_hash=read_header(raw).hash)
        block.outputs_of(watched.find(slug, set(block.scripts)))
    print(json.dumps({"peak_mb": _peak_mb()}))


def _peak_mb() -> float:
    """The most memory this program ever held (Linux). getrusage would count what its parent held when it forked."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


if __name__ == "__main__":
    main(*sys.argv[1:])
