"""``manage.py verify_ledger`` over 1,000,000 entries, as a person starts it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from bench import journal
from bench.figures import Figure, at_most

SECONDS_MAX = 60


def measure() -> Iterator[Figure]:
    """Fill the ledger and prove it; the seals were made over leaves that SQL worked out, so the two agree or one is wrong."""
    journal.fill()
    started = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "manage.py", "verify_ledger"],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"in {journal.DAYS - 1:,} sealed days" in ran.stdout, ran.stdout
    yield at_most(
        f"verify_ledger, {journal.ENTRIES:,} entries with 4 postings each", seconds, "s", SECONDS_MAX
    )
